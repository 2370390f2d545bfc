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
  /** How much the records of its events take, and of the requests that are remembered. */
  readonly bytes: number;
  /** Requests have places of their own, in the order in which they were remembered. */
  readonly requests: PlaceSpan;
}

/** What is known of a store besides its records: it changes with each transaction, or not at all. */
export interface StoreState extends LogSpan {
  /** How many records each table of an owner has. */
  readonly recordCounts: ReadonlyMap<string, number>;
}

/** Places that are in use. */
export interface PlaceSpan {
  readonly oldest: number;
  readonly next: number;
}

/** A log without events. */
export const emptySpan: LogSpan = { oldest: 1, sequence: 0, bytes: 0, requests: { oldest: 1, next: 1 } };

/**
 * The first and the last sequence to read for who stands at a place in the log; the last is below the first when there is
 * nothing. @throws {@link CursorExpired}
 */
export function pageAfter(
  after: Cursor,
  limit: number,
  epoch: string,
  { oldest, sequence }: Pick<LogSpan, 'oldest' | 'sequence'>,
): readonly [first: number, last: number] {
  const isPlace = after.epoch === epoch && Number.isInteger(after.sequence) && after.sequence <= sequence;
  if (!isPlace || after.sequence < oldest - 1) throw new CursorExpired({ cursor: after, oldest, epoch });
  return [after.sequence + 1, Math.min(after.sequence + limit, sequence)];
}

/** Drops what need not be kept of the log, at most `most` events, and gives what is left. `drop` tells how many bytes an event took. */
export function shortened<Span extends LogSpan>(
  span: Span,
  { maxEvents, maxBytes }: Retention,
  most: number,
  isOld: (sequence: number) => boolean,
  drop: (sequence: number) => number,
): Span {
  const { sequence } = span;
  let { oldest, bytes } = span;
  const end = Math.min(sequence, oldest + most);
  while (oldest < end && (sequence - oldest >= maxEvents || bytes > maxBytes || isOld(oldest))) {
    bytes -= drop(oldest);
    oldest += 1;
  }
  return { ...span, oldest, bytes };
}

/**
 * Forgets the requests that need not be remembered, at most `most` of them, and gives what is left: those whose event has left the
 * log, and the oldest of what is too much. `drop` tells how many bytes one took.
 *
 * @param sequenceOf - the event of a request
 */
export function withoutOldRequests<Span extends LogSpan>(
  span: Span,
  { maxEvents, maxBytes }: Retention,
  most: number,
  sequenceOf: (place: number) => number,
  drop: (place: number) => number,
): Span {
  const { next } = span.requests;
  let { bytes } = span;
  let { oldest } = span.requests;
  const end = Math.min(next, oldest + most);
  const isTooMuch = (): boolean => next - oldest > maxEvents || bytes > maxBytes;
  while (oldest < end && (isTooMuch() || sequenceOf(oldest) < span.oldest)) {
    bytes -= drop(oldest);
    oldest += 1;
  }
  return { ...span, bytes, requests: { oldest, next } };
}

/** The event with which a request is forgotten: its own or, where it has none, the next. */
export const sequenceFor = ({ sequence }: LogSpan, hasEvent: boolean): number =>
  hasEvent ? sequence : sequence + 1;
