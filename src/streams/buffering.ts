import * as t from 'io-ts';
import { closed, isRecord } from '../codecs/closed.js';
import { decodeAllOrThrow, decodeOrThrow } from '../codecs/decode.js';
import { nothing } from '../codecs/nothing.js';
import { integer, oneOf, text } from '../codecs/scalars.js';
import { cursor } from '../codecs/cursor.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import { type EventFilter, eventFilterKeys } from './instanceFilter.js';

/**
 * What to do with a value for which there is no room.
 *
 * - `dropNewest`: it is lost, what waits stays (hypeman's).
 * - `dropOldest`: what has waited longest is lost.
 * - `latest`: of the values that wait, the one that a newer one of its key made old first is lost. The newest of each key
 *   is kept, and so is every value that ends its key (a `delete`), even where these are more than `capacity`.
 * - `resume`: none is lost. The subscriber leaves the publisher when its queue is full, reads on from the log of events once the
 *   queue has drained, and is live again when it has caught up. Only where there is a log: by `consume` and `iterate` of a manager, or
 *   of a bus that was given one; with `after` they begin after an event. `boundedMergeMap` and `boundedIterable` are handed values, no
 *   log to read on from. It fails with {@link CursorExpired} when the log has lost the place meanwhile.
 * - `fail`: the subscriber gets {@link SubscriberLagged}, and all that waits is lost.
 */
export type Overflow = (typeof overflows)[number];

const overflows = ['dropNewest', 'dropOldest', 'latest', 'resume', 'fail'] as const;

/**
 * Why a value was lost, one for each {@link Overflow} policy that loses any: `buffer_full` is dropNewest's (hypeman's reason),
 * `overwritten` dropOldest's, `folded` latest's, `failed` fail's.
 */
export type DropReason = (typeof dropReasons)[number];

/** Every {@link DropReason}. */
export const dropReasons = ['buffer_full', 'overwritten', 'folded', 'failed'] as const;

/** Values lost one after another: after the value handed over before, and before the one to come. */
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
  /**
   * How many values may wait, from 1; what is being worked on does not count.
   * @defaultValue 256; from a manager, `instances.lifecycle_event_buffer_size`
   */
  readonly capacity?: number;
  /** @defaultValue `'dropNewest'` */
  readonly overflow?: Overflow;
  /** Told of lost values in their place among the values: before the value that came after them. */
  readonly onLag?: (lag: Lag<T>) => void;
  /** For `latest`: a value makes those of an equal key old. @defaultValue one key for all; from a manager, {@link byInstance} */
  readonly keyOf?: (value: T) => unknown;
  /** For `latest`: tells a value that ends its key. @defaultValue none does; from a manager, {@link byInstance} */
  readonly endsKey?: (value: T) => boolean;
}

/** {@link Buffering} for work: how much of it is done at a time. */
export interface WorkBuffering<T> extends Buffering<T> {
  /** How many projects may run at a time, from 1; `Infinity` for all. @defaultValue 1 */
  readonly concurrency?: number;
}

/** Who subscribes, apart from the name under which it is counted. */
export interface SubscriberLabel {
  /**
   * Tells subscribers of one consumer apart in `stats()`, for as long as each is subscribed; 1 to 256 characters. Any number may
   * have one, and it is in no metric.
   *
   * @defaultValue none: it is not told there by itself
   */
  readonly label?: string;
}

/** {@link Buffering} for events. */
export interface IterateOptions extends Buffering<LifecycleEvent>, EventFilter, SubscriberLabel {
  /**
   * Begin after this place in the log of events instead of now, as with `events`. The policy is `resume` then, and no other.
   * Only where there is a log.
   */
  readonly after?: Cursor;
}

/** {@link WorkBuffering} for events that may have a log. Who consumes durably passes over what the filter leaves out for good. */
export interface ConsumeOptions extends WorkBuffering<LifecycleEvent>, EventFilter, SubscriberLabel {
  /** As in {@link IterateOptions}; not for one who consumes durably, who has a place of his own. */
  readonly after?: Cursor;
  /**
   * Whether to remember how far the consumer came, and to go on there next time. The policy is `resume` then, and no other.
   * Only where there is a log.
   *
   * @defaultValue false
   */
  readonly durable?: boolean;
}

/** {@link Buffering} for a watch: what is lost is always made good by a new snapshot. */
export type WatchBuffering = Pick<Buffering<LifecycleEvent>, 'capacity' | 'onLag'>;

/** {@link WatchBuffering}, and of which instances. */
export interface WatchOptions extends WatchBuffering, EventFilter, SubscriberLabel {}

/** Default of {@link Buffering.capacity}; hypeman's. */
export const defaultCapacity = 256;

/**
 * Makes `latest` keep the newest event of each instance, and every `delete`.
 *
 * @example
 * ```ts
 * import { boundedMergeMap, byInstance, type LifecycleEvent } from 'rx-instances';
 * import { of } from 'rxjs';
 *
 * const newestOfEach = boundedMergeMap((event: LifecycleEvent) => of(event.instanceId), {
 *   overflow: 'latest',
 *   ...byInstance,
 * });
 * typeof newestOfEach; // => 'function'
 * ```
 */
export const byInstance = {
  /** Its instance. */
  keyOf: (event: LifecycleEvent): string => event.instanceId,
  /** Whether it is the last of its instance. */
  endsKey: (event: LifecycleEvent): boolean => event.action === 'delete',
} as const;

/** Hears what becomes of the values of a queue, for the statistics. */
export interface Ledger {
  /** A queue begins; what is returned is called when it ends. */
  opened(queue: QueueDepth): () => void;
  dropped(reason: DropReason, count: number): void;
  lagged(): void;
}

/** How long a queue is, and was at most. */
export interface QueueDepth {
  readonly size: number;
  readonly highWater: number;
}

/** Lets a queue that is full, and loses the newest or reads them from a log later, spare its publisher the telling. */
export interface Gate<T> {
  /** Nothing is told from now on. */
  close(): void;
  /** Tells again; returns what went by meanwhile and will not be told, of which `to` was the last. */
  open(): Pick<Lag<T>, 'missed' | 'to'> | undefined;
}

/** Decoded {@link Buffering}: nothing is left open. */
export interface QueueSettings<T> {
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly onLag: (lag: Lag<T>) => void;
  readonly keyOf: (value: T) => unknown;
  readonly endsKey: (value: T) => boolean;
  readonly ledger: Ledger;
  readonly gate?: Gate<T>;
}

/** Decoded {@link WorkBuffering}: nothing is left open. */
export interface WorkSettings<T> extends QueueSettings<T> {
  readonly concurrency: number;
}

/** Settings of queues that do not say; `hasLog` tells whether there is a log to resume from. */
type Defaults<T> = Partial<QueueSettings<T>> & { readonly hasLog?: boolean };

/** Decodes {@link Buffering}. @throws {@link InvalidRequest} */
export function queueSettings<T>(buffering: Buffering<T>, defaults: Defaults<T> = {}): QueueSettings<T> {
  decodeOrThrow(defaults.hasLog === true ? resumableCodec : bufferingCodec, buffering);
  return settled(buffering, defaults);
}

/** Decodes {@link IterateOptions}. @throws {@link InvalidRequest} */
export function iterateSettings(
  options: IterateOptions,
  defaults: Defaults<LifecycleEvent>,
): QueueSettings<LifecycleEvent> {
  const logged = isAfter(options) ? iterateAfterCodec : iterateCodec;
  decodeOrThrow(defaults.hasLog === true ? logged : liveIterateCodec, options);
  return settled(resuming(options), defaults);
}

/** Decodes work and its {@link WorkBuffering}. @throws {@link InvalidRequest} */
export function workSettings<T>(
  project: unknown,
  buffering: WorkBuffering<T>,
  defaults: Defaults<T> = {},
): WorkSettings<T> {
  decodeAllOrThrow([workCodec, { project }], [workBufferingCodec, buffering]);
  return settledWork(buffering, defaults);
}

/** Decodes work and its {@link ConsumeOptions}. @throws {@link InvalidRequest} */
export function consumeSettings(
  project: unknown,
  options: ConsumeOptions,
  defaults: Defaults<LifecycleEvent>,
): WorkSettings<LifecycleEvent> & { readonly durable: boolean } {
  const isDurable = isRecord(options) && options['durable'] === true;
  const logged = isDurable ? durableCodec : isAfter(options) ? consumeAfterCodec : consumeCodec;
  decodeAllOrThrow([workCodec, { project }], [defaults.hasLog === true ? logged : liveConsumeCodec, options]);
  const { durable = false, ...buffering } = options;
  const settings = settledWork(
    durable ? { ...buffering, overflow: 'resume' } : resuming(buffering),
    defaults,
  );
  return { ...settings, durable };
}

const isAfter = (options: unknown): boolean => isRecord(options) && options['after'] !== undefined;

/** What goes on after a place loses nothing behind it. */
const resuming = <Options extends IterateOptions>(options: Options): Options =>
  options.after === undefined ? options : { ...options, overflow: 'resume' };

/** Decodes {@link WatchOptions}. @throws {@link InvalidRequest} */
export function watchSettings(
  buffering: WatchOptions,
  defaults: Defaults<LifecycleEvent> = {},
): QueueSettings<LifecycleEvent> {
  decodeOrThrow(watchBufferingCodec, buffering);
  return settled(buffering, defaults);
}

const settled = <T>(buffering: Buffering<T>, defaults: Defaults<T>): QueueSettings<T> => ({
  capacity: buffering.capacity ?? defaults.capacity ?? defaultCapacity,
  overflow: buffering.overflow ?? 'dropNewest',
  onLag: buffering.onLag ?? nil,
  keyOf: buffering.keyOf ?? defaults.keyOf ?? nil,
  endsKey: buffering.endsKey ?? defaults.endsKey ?? never,
  ledger: defaults.ledger ?? noLedger,
});

const settledWork = <T>(buffering: WorkBuffering<T>, defaults: Defaults<T>): WorkSettings<T> => ({
  ...settled(buffering, defaults),
  concurrency: buffering.concurrency ?? 1,
});

const nil = (): undefined => undefined;
const never = (): boolean => false;
const noLedger: Ledger = { opened: () => nil, dropped: nil, lagged: nil };

/** Decodes a function. */
export const callback = new t.Type<unknown>(
  'a function',
  (value): value is unknown => typeof value === 'function',
  (value, context) => (typeof value === 'function' ? t.success(value) : t.failure(value, context)),
  t.identity,
);

const largest = 2 ** 24;

/** Decodes {@link Buffering.capacity}. */
export const capacityCodec = integer('capacity', 1, largest);

const watchKeys = { capacity: capacityCodec, onLag: callback };
const keys = { ...watchKeys, keyOf: callback, endsKey: callback };
const lossy: readonly string[] = overflows.filter((overflow) => overflow !== 'resume');
const withLog = { ...keys, overflow: oneOf(overflows) };
const withoutLog = {
  ...keys,
  overflow: text(
    `one of ${lossy.join(', ')}; resume only by consume and iterate of what has a log, as a manager has; with after they begin after an event`,
    (overflow) => lossy.includes(overflow),
  ),
};
const work = {
  concurrency: t.union(
    [t.literal(Infinity), integer('concurrency', 1, largest)],
    'concurrency (a whole number from 1, or Infinity)',
  ),
};

const onlyResume = (why: string): typeof withoutLog.overflow =>
  text(`resume or nothing, since ${why}`, (overflow) => overflow === 'resume');
const afterPlace = { ...keys, after: cursor, overflow: onlyResume('it goes on after a place') };
const noPlace = { after: nothing<Cursor>('nothing: there is no log to read from') };
const label = text(
  'a label (1 to 256 characters, no control characters)',
  (value) => value.length >= 1 && value.length <= 256 && !/[\u0000-\u001f\u007f]/.test(value),
);

/** Keys that say who hears of what. */
export const subscriberKeys = { ...eventFilterKeys, label };

const workCodec = closed('work', { project: callback }, {});
const watchBufferingCodec = closed('watch options', {}, { ...watchKeys, ...subscriberKeys });
const iterateCodec = closed('iterate options', {}, { ...withLog, ...subscriberKeys, after: cursor });
const iterateAfterCodec = closed('iterate options', {}, { ...afterPlace, ...subscriberKeys });
const liveIterateCodec = closed('iterate options', {}, { ...withoutLog, ...subscriberKeys, ...noPlace });
const bufferingCodec = closed('buffering', {}, withoutLog);
const resumableCodec = closed('buffering', {}, withLog);
const workBufferingCodec = closed('work buffering', {}, { ...withoutLog, ...work });
const consumeKeys = { ...work, ...subscriberKeys, durable: t.boolean };
const consumeCodec = closed('consume options', {}, { ...withLog, ...consumeKeys, after: cursor });
const consumeAfterCodec = closed('consume options', {}, { ...afterPlace, ...consumeKeys });
const durableCodec = closed(
  'consume options',
  {},
  {
    ...keys,
    ...consumeKeys,
    overflow: onlyResume('it is durable'),
    after: nothing<Cursor>('nothing: who consumes durably goes on where it was'),
  },
);
const liveConsumeCodec = closed(
  'consume options',
  {},
  {
    ...withoutLog,
    ...consumeKeys,
    ...noPlace,
    durable: nothing<boolean>("nothing: only events that have a log, as a manager's have, can be durable"),
  },
);
