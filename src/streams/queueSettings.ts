import * as t from 'io-ts';
import { noop } from 'rxjs';
import { callback } from '../codecs/callback.js';
import { closed } from '../codecs/closed.js';
import { decodeAllOrThrow, decodeOrThrow } from '../codecs/decode.js';
import { integer, text } from '../codecs/scalars.js';
import {
  type Buffering,
  defaultCapacity,
  type Lag,
  type Overflow,
  overflows,
  type WorkBuffering,
} from './buffering.js';

/** Decoded {@link Buffering}: nothing is left open. */
export interface QueueSettings<T> {
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly onLag: (lag: Lag<T>) => void;
  readonly keyOf: (value: T) => unknown;
  readonly endsKey: (value: T) => boolean;
}

/** Decoded {@link WorkBuffering}: nothing is left open. */
export interface WorkSettings<T> extends QueueSettings<T> {
  readonly concurrency: number;
}

/** Decodes {@link Buffering}. @throws {@link InvalidRequest} */
export function queueSettings<T>(buffering: Buffering<T>): QueueSettings<T> {
  decodeOrThrow(bufferingCodec, buffering);
  return completed(buffering);
}

/** Decodes work and its {@link WorkBuffering}. @throws {@link InvalidRequest} */
export function workSettings<T>(project: unknown, buffering: WorkBuffering<T>): WorkSettings<T> {
  decodeAllOrThrow([workCodec, { project }], [workBufferingCodec, buffering]);
  return completedWork(buffering);
}

/** Fills in what {@link Buffering} leaves open. */
export const completed = <T>(
  buffering: Buffering<T>,
  defaults: Partial<QueueSettings<T>> = {},
): QueueSettings<T> => ({
  capacity: buffering.capacity ?? defaults.capacity ?? defaultCapacity,
  overflow: buffering.overflow ?? 'dropNewest',
  onLag: buffering.onLag ?? noop,
  keyOf: buffering.keyOf ?? defaults.keyOf ?? noop,
  endsKey: buffering.endsKey ?? defaults.endsKey ?? never,
});

/** Fills in what {@link WorkBuffering} leaves open. */
export const completedWork = <T>(
  buffering: WorkBuffering<T>,
  defaults: Partial<QueueSettings<T>> = {},
): WorkSettings<T> => ({
  ...completed(buffering, defaults),
  concurrency: buffering.concurrency ?? 1,
});

const never = (): boolean => false;

const largest = 2 ** 24;

/** Decodes {@link Buffering.capacity}. */
export const capacityCodec = integer('capacity', 1, largest);

/** Keys of every {@link Buffering}, but for its policy. */
export const queueKeys = { capacity: capacityCodec, onLag: callback, keyOf: callback, endsKey: callback };

/** Keys of a {@link WorkBuffering} besides those of a {@link Buffering}. */
export const workKeys = {
  concurrency: t.union(
    [t.literal(Infinity), integer('concurrency', 1, largest)],
    'concurrency (a whole number from 1, or Infinity)',
  ),
};

const lossy: readonly string[] = overflows.filter((overflow) => overflow !== 'resume');

/** Decodes the policy of a queue that has no log to read on from. */
export const lossyOverflow = text(
  `one of ${lossy.join(', ')}; resume only by consume and iterate of what has a log, as a manager has; with after they begin after an event`,
  (overflow) => lossy.includes(overflow),
);

/** Decodes `{ project }`: what is done for each value. */
export const workCodec = closed('work', { project: callback }, {});

const bufferingCodec = closed('buffering', {}, { ...queueKeys, overflow: lossyOverflow });
const workBufferingCodec = closed(
  'work buffering',
  {},
  { ...queueKeys, ...workKeys, overflow: lossyOverflow },
);
