import * as t from 'io-ts';
import { closed, isRecord } from '../codecs/closed.js';
import { cursor } from '../codecs/cursor.js';
import { decodeAllOrThrow, decodeOrThrow } from '../codecs/decode.js';
import { nothing } from '../codecs/nothing.js';
import { oneOf, text } from '../codecs/scalars.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import { overflows } from './buffering.js';
import {
  type ConsumeOptions,
  type IterateOptions,
  latestByInstance,
  type WatchOptions,
} from './eventOptions.js';
import { eventFilterKeys } from './instanceFilter.js';
import {
  completed,
  completedWork,
  lossyOverflow,
  queueKeys,
  type QueueSettings,
  workCodec,
  workKeys,
  type WorkSettings,
} from './queueSettings.js';

/** How a bus fills in what its subscribers leave open. */
export interface BusDefaults {
  readonly capacity: number;
  /** Whether there is a log to read on from. */
  readonly hasLog: boolean;
}

/** Decodes {@link IterateOptions}. @throws {@link InvalidRequest} */
export function iterateSettings(
  options: IterateOptions,
  defaults: BusDefaults,
): QueueSettings<LifecycleEvent> {
  const logged = isAfter(options) ? iterateAfterCodec : iterateCodec;
  decodeOrThrow(defaults.hasLog ? logged : liveIterateCodec, options);
  return completed(resuming(options), byInstance(defaults));
}

/** Decodes work and its {@link ConsumeOptions}. @throws {@link InvalidRequest} */
export function consumeSettings(
  project: unknown,
  options: ConsumeOptions,
  defaults: BusDefaults,
): WorkSettings<LifecycleEvent> & { readonly durable: boolean } {
  const isDurable = isRecord(options) && options['durable'] === true;
  const logged = isDurable ? durableCodec : isAfter(options) ? consumeAfterCodec : consumeCodec;
  decodeAllOrThrow([workCodec, { project }], [defaults.hasLog ? logged : liveConsumeCodec, options]);
  const { durable = false } = options;
  const buffering: ConsumeOptions = durable ? { ...options, overflow: 'resume' } : resuming(options);
  return { ...completedWork(buffering, byInstance(defaults)), durable };
}

/** Decodes {@link WatchOptions}. @throws {@link InvalidRequest} */
export function watchSettings(
  options: WatchOptions,
  defaults: Partial<BusDefaults> = {},
): QueueSettings<LifecycleEvent> {
  decodeOrThrow(watchCodec, options);
  return completed(options, defaults);
}

const byInstance = ({ capacity }: BusDefaults): Partial<QueueSettings<LifecycleEvent>> => ({
  ...latestByInstance,
  capacity,
});

const isAfter = (options: unknown): boolean => isRecord(options) && options['after'] !== undefined;

/** What goes on after a place loses nothing behind it. */
const resuming = <Options extends IterateOptions>(options: Options): Options =>
  options.after === undefined ? options : { ...options, overflow: 'resume' };

const label = text(
  'a label (1 to 256 characters, no control characters)',
  (value) => value.length >= 1 && value.length <= 256 && !/[\u0000-\u001f\u007f]/.test(value),
);

/** Keys of what every subscriber may ask for: of which instances to hear, and a label. */
export const subscriberKeys = { ...eventFilterKeys, label };

const onlyResume = (why: string): typeof lossyOverflow =>
  text(`resume or nothing, since ${why}`, (overflow) => overflow === 'resume');

const withLog = { ...queueKeys, overflow: oneOf(overflows), after: cursor };
const withAfter = { ...queueKeys, overflow: onlyResume('it goes on after a place'), after: cursor };
const withoutLog = {
  ...queueKeys,
  overflow: lossyOverflow,
  after: nothing<Cursor>('nothing: there is no log to read from'),
};
const consumeKeys = { ...workKeys, ...subscriberKeys, durable: t.boolean };

const watchCodec = closed(
  'watch options',
  {},
  { capacity: queueKeys.capacity, onLag: queueKeys.onLag, ...subscriberKeys },
);
const iterateCodec = closed('iterate options', {}, { ...withLog, ...subscriberKeys });
const iterateAfterCodec = closed('iterate options', {}, { ...withAfter, ...subscriberKeys });
const liveIterateCodec = closed('iterate options', {}, { ...withoutLog, ...subscriberKeys });
const consumeCodec = closed('consume options', {}, { ...withLog, ...consumeKeys });
const consumeAfterCodec = closed('consume options', {}, { ...withAfter, ...consumeKeys });
const durableCodec = closed(
  'consume options',
  {},
  {
    ...queueKeys,
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
    durable: nothing<boolean>("nothing: only events that have a log, as a manager's have, can be durable"),
  },
);
