import { CursorExpired } from '../lifecycle/errors.js';
import type { Cursor } from '../lifecycle/event.js';

/** How much of the event log is kept; the last event always is. */
export interface Retention {
  /** At most so many events. */
  readonly maxEvents: number;
  /** None that is older, in milliseconds. */
  readonly maxAgeMs: number;
  /** At most so many bytes of them all. */
  readonly maxBytes: number;
}

/** A hundred thousand events take some 80 MB on disk, and 40 MB in memory; a week is longer than a weekend. */
export const defaultRetention: Retention = {
  maxEvents: 100_000,
  maxAgeMs: 7 * 24 * 60 * 60 * 1_000,
  maxBytes: 256 * 2 ** 20,
};

/** The part of the log that is kept. While nothing is, `oldest` is the sequence of the next event. */
export interface LogSpan {
  readonly oldest: number;
  readonly sequence: number;
  /** How much the records of its events take. */
  readonly bytes: number;
}

/**
 * The first and the last sequence to read for who stands at a place in the log; the last is below the first when there is
 * nothing. @throws {@link CursorExpired}
 */
export function pageAfter(
  after: Cursor,
  limit: number,
  epoch: string,
  { oldest, sequence }: Omit<LogSpan, 'bytes'>,
): readonly [first: number, last: number] {
  const isPlace = after.epoch === epoch && Number.isInteger(after.sequence) && after.sequence <= sequence;
  if (!isPlace || after.sequence < oldest - 1) throw new CursorExpired({ cursor: after, oldest, epoch });
  return [after.sequence + 1, Math.min(after.sequence + limit, sequence)];
}

/** Drops what need not be kept of the log, at most `most` events, and gives what is left. `drop` tells how many bytes an event took. */
export function shortened(
  span: LogSpan,
  { maxEvents, maxBytes }: Retention,
  most: number,
  isOld: (sequence: number) => boolean,
  drop: (sequence: number) => number,
): LogSpan {
  const { sequence } = span;
  let { oldest, bytes } = span;
  const end = Math.min(sequence, oldest + most);
  while (oldest < end && (sequence - oldest >= maxEvents || bytes > maxBytes || isOld(oldest))) {
    bytes -= drop(oldest);
    oldest += 1;
  }
  return { oldest, sequence, bytes };
}
