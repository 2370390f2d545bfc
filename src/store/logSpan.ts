import { CursorExpired } from '../lifecycle/errors.js';
import type { Cursor } from '../lifecycle/event.js';

/** How much of the event log is kept; the last event always is. */
export interface Retention {
  /** At most so many events. */
  readonly maxEvents: number;
  /** None that is older, in milliseconds. */
  readonly maxAgeMs: number;
}

/** A hundred thousand events take some 80 MB on disk, and 40 MB in memory; a week is longer than a weekend. */
export const defaultRetention: Retention = { maxEvents: 100_000, maxAgeMs: 7 * 24 * 60 * 60 * 1_000 };

/** The part of the log that is kept. While nothing is, `oldest` is the sequence of the next event. */
export interface LogSpan {
  readonly oldest: number;
  readonly sequence: number;
}

/**
 * The first and the last sequence to read for who stands at a place in the log; the last is below the first when there is
 * nothing. @throws {@link CursorExpired}
 */
export function pageAfter(
  after: Cursor,
  limit: number,
  epoch: string,
  { oldest, sequence }: LogSpan,
): readonly [first: number, last: number] {
  const isPlace = after.epoch === epoch && Number.isInteger(after.sequence) && after.sequence <= sequence;
  if (!isPlace || after.sequence < oldest - 1) throw new CursorExpired(after, oldest, epoch);
  return [after.sequence + 1, Math.min(after.sequence + limit, sequence)];
}

/** The sequence with which the log has to begin; at most `most` events go at a time. */
export function beginningOf(
  { oldest, sequence }: LogSpan,
  { maxEvents }: Retention,
  most: number,
  isOld: (sequence: number) => boolean,
): number {
  const end = Math.min(sequence, oldest + most);
  let beginning = oldest;
  while (beginning < end && (sequence - beginning >= maxEvents || isOld(beginning))) beginning += 1;
  return beginning;
}
