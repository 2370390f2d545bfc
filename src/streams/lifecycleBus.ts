import * as t from 'io-ts';
import { defer, EMPTY, type Observable, type ObservableInput, ReplaySubject, throwError } from 'rxjs';
import { boundedList } from '../codecs/boundedList.js';
import { callback } from '../codecs/callback.js';
import { closed, isRecord } from '../codecs/closed.js';
import { cursor } from '../codecs/cursor.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { nothing } from '../codecs/nothing.js';
import { withMethods } from '../codecs/withMethods.js';
import { ManagerClosed } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import { iterateQueue } from './boundedIterable.js';
import { mergeMapQueue } from './boundedMergeMap.js';
import { defaultCapacity } from './buffering.js';
import { type Consumer, consumerLimit, type ConsumerStats, createConsumers } from './consumers.js';
import { type Connect, ContainedObservable, through } from './containedObservable.js';
import { createDurableCursors } from './durableCursors.js';
import { createEventFeeds } from './eventFeeds.js';
import type { EventsOptions, WatchOptions } from './eventOptions.js';
import { consumeSettings, iterateSettings, subscriberKeys, watchSettings } from './eventSettings.js';
import type { EventStreams } from './eventStreams.js';
import { EventSubject } from './eventSubject.js';
import { unqueued } from './feed.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import { concerns, type EventFilter } from './instanceFilter.js';
import type { LifecycleLog } from './lifecycleLog.js';
import type { Listener } from './listeners.js';
import { capacityCodec } from './queueSettings.js';
import { reportThrow } from './reportThrow.js';
import { type TableView, tableThenChanges } from './tableThenChanges.js';

/** The one shared stream: whatever happens to an instance is published here, once, and nothing else fans out. */
export interface LifecycleBus extends EventStreams {
  /** Tells every subscriber, in order. An event published by a subscriber meanwhile waits until the one at hand is told to all. */
  publish(event: LifecycleEvent): void;
  /**
   * Emits the table that `read` tells, then its changes; after a lag the table again. `read` is told of which instance alone it
   * need tell, if that is so.
   */
  watch(
    consumer: string,
    read: (instanceId?: string) => Observable<TableView>,
    options?: WatchOptions,
  ): Observable<InstanceChange>;
  /** Tells of every consumer what its subscribers are doing. */
  stats(): Readonly<Record<string, ConsumerStats>>;
  /**
   * Completes every stream, after the events that were published before. Who subscribes later gets the end at once, and
   * what is published later is told to nobody.
   */
  close(): void;
}

/** How to make a bus. */
export interface LifecycleBusOptions {
  /** Capacity of queues whose subscriber does not say. @defaultValue 256 */
  readonly capacity?: number;
  /** Told of a subscriber that threw; it has been unsubscribed and counted. @defaultValue `console.error` tells of it */
  readonly onThrow?: (consumer: string, error: unknown) => void;
  /** Where what is published is kept, for those who resume. @defaultValue none: nobody can */
  readonly log?: LifecycleLog;
  /** Consumers that are in the statistics before anybody subscribes as one of them. @defaultValue none */
  readonly consumers?: readonly string[];
}

const eventsOptions = closed('events options', {}, { ...subscriberKeys, after: cursor });

const liveOptions = closed(
  'events options',
  {},
  { ...subscriberKeys, after: nothing<Cursor>('nothing: this bus has no log to read from') },
);

/** Needs no decoder: streams of one instance are asked for by the hundred thousand. */
const isOnlyInstanceId = (options: unknown): boolean =>
  isRecord(options) && typeof options['instanceId'] === 'string' && Object.keys(options).length === 1;

const busOptions = closed(
  'bus options',
  {},
  {
    capacity: capacityCodec,
    onThrow: callback,
    log: withMethods('a log', 'head', 'read', 'loadCursor', 'saveCursor'),
    consumers: boundedList('consumers (at most 64)', t.string, 0, consumerLimit),
  },
);

/** Creates a {@link LifecycleBus}. @throws {@link InvalidRequest} */
export const createLifecycleBus = (options: LifecycleBusOptions = {}): LifecycleBus =>
  createManagerBus(options);

/** A bus with an entry for listeners by the hundred thousand. */
export interface ManagerBus extends LifecycleBus {
  /** Adds a listener of the events of one instance, with nothing in between. */
  addListener(consumer: string, instanceId: string, listener: Listener<LifecycleEvent>): void;
  removeListener(consumer: string, instanceId: string, listener: Listener<LifecycleEvent>): void;
  /** Adds a listener of the first event of each instance that is created with this id or name. */
  addCreationListener(consumer: string, idOrName: string, listener: Listener<LifecycleEvent>): void;
  removeCreationListener(consumer: string, idOrName: string, listener: Listener<LifecycleEvent>): void;
  /** Counts and reports what the subscriber behind a listener threw. */
  threw(consumer: string, error: unknown): void;
  /** Tells those who watch that it will close. */
  closing(): void;
  /** Emits once when it will close, at once to whoever subscribes later, and completes. */
  readonly closing$: Observable<void>;
}

/** Creates a {@link ManagerBus}. @throws {@link InvalidRequest} */
export function createManagerBus(options: LifecycleBusOptions): ManagerBus {
  decodeOrThrow(busOptions, options);
  const { capacity = defaultCapacity, onThrow = reportThrow, log } = options;
  const subject = new EventSubject();
  const feeds = createEventFeeds(subject, log);
  const consumers = createConsumers(options.consumers);
  const durableCursors = log && createDurableCursors(log);
  const closing$ = new ReplaySubject<void>(1);
  const defaults = { capacity, hasLog: log !== undefined };

  const reported = (name: string, error: unknown): void => {
    try {
      onThrow(name, error);
    } catch {
      // Who reports on a subscriber can't be allowed to stop the publisher either.
    }
  };

  const threw = (name: string, error: unknown): void => {
    consumers.of(name).threw();
    reported(name, error);
  };

  const contained = <T>(name: string, connect: Connect<T>): Observable<T> =>
    new ContainedObservable(connect, (error) => {
      threw(name, error);
    });

  return {
    publish: (event) => {
      subject.publish(event);
    },
    addListener: (name, instanceId, listener) => {
      consumers.of(name).joined();
      subject.listeners.add(listener, instanceId);
    },
    removeListener: (name, instanceId, listener) => {
      subject.listeners.remove(listener, instanceId);
      consumers.of(name).left();
    },
    addCreationListener: (name, idOrName, listener) => {
      consumers.of(name).joined();
      subject.creationListeners.add(listener, idOrName);
    },
    removeCreationListener: (name, idOrName, listener) => {
      subject.creationListeners.remove(listener, idOrName);
      consumers.of(name).left();
    },
    threw,
    closing: () => {
      closing$.next();
      closing$.complete();
    },
    closing$: new ContainedObservable(through(closing$), (error) => {
      reported('closing$', error);
    }),
    events: (name, options = {}) => {
      const codec = log === undefined ? liveOptions : eventsOptions;
      const asked: EventsOptions = isOnlyInstanceId(options) ? options : decodeOrThrow(codec, options);
      const { after, label } = asked;
      const consumer = consumers.of(name);
      if (log === undefined || after === undefined) {
        return contained(name, (observer, subscription) =>
          feeds.live(recorderOf(consumer, label), asked)(observer, subscription),
        );
      }
      const events$ = defer(() => unqueued(feeds.after(recorderOf(consumer, label), log, asked, after)));
      return contained(name, through(events$));
    },
    consume: (name, project, options = {}) => {
      const settings = consumeSettings(project, options, defaults);
      const { after, label } = options;
      const consumer = consumers.of(name);
      const work$ = defer(() =>
        mergeMapQueue(feeds.queued(recorderOf(consumer, label), settings, options, after), project, settings),
      );
      if (durableCursors === undefined || !settings.durable) return contained(name, through(work$));
      const durable$ = durableCursors.keep(name, ({ after: place, follow, mark }) => {
        // All of them: what is left out is to be done with too, or its place would stay behind for good.
        const { source, recorder } = feeds.queued(recorderOf(consumer, label), settings, {}, place);
        return mergeMapQueue({ source: follow(source), recorder }, mark(onlyFor(options, project)), settings);
      });
      const whileOpen$ = defer(() => (subject.isClosed ? throwError(() => new ManagerClosed()) : durable$));
      return contained(name, through(whileOpen$));
    },
    iterate: (name, options = {}) => {
      const settings = iterateSettings(options, defaults);
      const { after, label } = options;
      const consumer = consumers.of(name);
      return iterateQueue(
        () => feeds.queued(recorderOf(consumer, label), settings, options, after),
        settings,
      );
    },
    watch: (name, read, options = {}) => {
      const settings = watchSettings(options, { capacity });
      const { instanceId, label } = options;
      const consumer = consumers.of(name);
      const watch$ = defer(() =>
        tableThenChanges(
          feeds.watched(recorderOf(consumer, label), options),
          () => read(instanceId),
          settings,
          closing$,
          options,
        ),
      );
      return contained(name, through(watch$));
    },
    stats: () => {
      subject.paused.report();
      return Object.fromEntries(
        Object.entries(consumers.stats()).map(([name, stats]) => {
          const behind = durableCursors?.behind(name);
          return [name, behind === undefined ? stats : { ...stats, behind }];
        }),
      );
    },
    close: () => {
      subject.close();
    },
  };
}

/** What records one subscription. */
const recorderOf = (consumer: Consumer, label: string | undefined): Consumer =>
  label === undefined ? consumer : consumer.labelled(label);

/** Work for the events of a filter, counted by themselves; nothing for the others. */
function onlyFor<R>(
  filter: EventFilter,
  project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
): (event: LifecycleEvent, index: number) => ObservableInput<R> {
  const isWanted = concerns(filter);
  let index = 0;
  return (event) => (isWanted(event) ? project(event, index++) : EMPTY);
}
