import type * as t from 'io-ts';
import { text } from './scalars.js';

const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const parts = /(\d+(?:\.\d+)?)(h|ms|m|s)/g;
const whole = new RegExp(`^(${parts.source})+$`);

/**
 * The milliseconds of a duration as Go writes it, and hypeman with it: `1h30m`, `1.5s`, `300ms`; `NaN` for what is none.
 */
export const millisecondsOf = (duration: string): number =>
  whole.test(duration)
    ? [...duration.matchAll(parts)].reduce(
        (sum, [, amount, unit]) => sum + Number(amount) * units[unit as keyof typeof units],
        0,
      )
    : NaN;

/** Decodes a duration, both ends allowed; it stays a text, see {@link millisecondsOf}. */
export const duration = (name: string, min: string, max: string): t.Type<string, string> =>
  text(`${name} (a duration such as 1h30m, from ${min} to ${max})`, (value) => {
    const milliseconds = millisecondsOf(value);
    return milliseconds >= millisecondsOf(min) && milliseconds <= millisecondsOf(max);
  });

/** Writes milliseconds, 0 or more, as Go does: `5m0s`, `1h0m0s`, `1.5s`, `300ms`. What {@link millisecondsOf} reads. */
export function durationOf(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  if (milliseconds < units.s) return `${String(milliseconds)}ms`;
  const hours = Math.floor(milliseconds / units.h);
  const minutes = Math.floor((milliseconds % units.h) / units.m);
  const seconds = `${String((milliseconds % units.m) / units.s)}s`;
  if (hours > 0) return `${String(hours)}h${String(minutes)}m${seconds}`;
  return minutes > 0 ? `${String(minutes)}m${seconds}` : seconds;
}
