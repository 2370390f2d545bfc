import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { integer, oneOf } from '../codecs/scalars.js';

/**
 * What to do with a value for which there is no room.
 *
 * - `dropNewest`: it is lost, what waits stays (hypeman's).
 * - `dropOldest`: what has waited longest is lost.
 * - `latest`: an older waiting value of the same key is lost. A value that ends its key (a `delete`) is never folded
 *   away. With more keys waiting than `capacity`, the queue holds one value for each.
 * - `fail`: the subscriber gets {@link SubscriberLagged}, and all that waits is lost.
 */
export type Overflow = (typeof overflows)[number];

const overflows = ['dropNewest', 'dropOldest', 'latest', 'fail'] as const;

/** Values lost one after another, between the value handed over before and the one to come. */
export interface Lag<T> {
  /** How many. */
  readonly missed: number;
  /** The first of them. */
  readonly from: T;
  /** The last of them; with `missed: 1` the same. */
  readonly to: T;
}

/** How much may wait for a subscriber, and what happens beyond that. */
export interface Buffering<T> {
  /** How many values may wait, from 1. @defaultValue 256; from a manager, `instances.lifecycle_event_buffer_size` */
  readonly capacity?: number;
  /** @defaultValue `'dropNewest'` */
  readonly overflow?: Overflow;
  /** Told of lost values in their place among the values: before the value that came after them. */
  readonly onLag?: (lag: Lag<T>) => void;
}

/** {@link Buffering} for work: how much of it is done at a time. */
export interface WorkBuffering<T> extends Buffering<T> {
  /** How many projects may run at a time, from 1; `Infinity` for all. @defaultValue 1 */
  readonly concurrency?: number;
}

/** Default of {@link Buffering.capacity}; hypeman's. */
export const defaultCapacity = 256;

const callback = new t.Type<(...values: never[]) => void>(
  'a function',
  (value): value is (...values: never[]) => void => typeof value === 'function',
  (value, context) =>
    typeof value === 'function' ? t.success(value as () => void) : t.failure(value, context),
  t.identity,
);

const capacity = integer('capacity', 1, 2 ** 24);

const options = {
  capacity,
  overflow: oneOf(overflows),
  onLag: callback,
};

const codec = closed('buffering', {}, options);
const workCodec = closed(
  'buffering',
  {},
  {
    ...options,
    concurrency: t.union(
      [integer('concurrency', 1, 2 ** 24), t.literal(Infinity)],
      'concurrency (a whole number from 1, or Infinity)',
    ),
  },
);
void [decodeOrThrow, codec, workCodec];
