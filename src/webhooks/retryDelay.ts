/** How long to wait after so many attempts in a row: 1 s, twice as long each time, ten minutes at most; a random half of it less. */
export const backoffMs = (attempts: number): number =>
  Math.min(mostMs, 1_000 * 2 ** Math.min(attempts - 1, 20)) * (1 - Math.random() / 2);

const mostMs = 600_000;

/**
 * How long a receiver asks to be left alone, in milliseconds; nothing where it says nothing that can be understood.
 *
 * @see RFC 9110, 10.2.3
 */
export function retryAfterMs(retryAfter: string | undefined, now: number): number {
  if (retryAfter === undefined) return 0;
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  const time = Date.parse(retryAfter);
  return Number.isNaN(time) ? 0 : Math.max(0, time - now);
}
