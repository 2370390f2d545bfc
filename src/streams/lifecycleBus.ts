import {
  defer,
  EMPTY,
  Observable,
  type ObservableInput,
  ReplaySubject,
  type Subscriber,
  Subscription,
  throwError,
} from 'rxjs';
import { closed, isRecord } from '../codecs/closed.js';
import { cursor } from '../codecs/cursor.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { nothing } from '../codecs/nothing.js';
import { withMethods } from '../codecs/withMethods.js';
import { ManagerClosed } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import { Audience } from './audience.js';
import { createBookmarks } from './bookmarks.js';
import { iterateThrough } from './boundedIterable.js';
import { mergeMapThrough } from './boundedMergeMap.js';
import {
  byInstance,
  callback,
  capacityCodec,
  type ConsumeOptions,
  consumeSettings,
  defaultCapacity,
  type IterateOptions,
  iterateSettings,
  type QueueSettings,
  subscriberKeys,
  type SubscriberLabel,
  type WatchOptions,
  watchSettings,
} from './buffering.js';
import { type Consumer, type ConsumerStats, createConsumers } from './consumers.js';
import { concerns, type EventFilter, hasConditions } from './instanceFilter.js';
import { type Connect, ContainedObservable, through } from './containedObservable.js';
import type { LifecycleLog } from './lifecycleLog.js';
import type { Listener } from './listeners.js';
import { largestPage, pageFor, replay, type ReplayOptions } from './replay.js';
import { reportThrow } from './reportThrow.js';
import type { InstanceChange } from './instanceChange.js';
import { snapshotThen, type TableView } from './snapshotThen.js';
import { type GatedSource, type Join, Turnstile } from './turnstile.js';

/** Which events to hear. */
export interface EventsOptions extends EventFilter, SubscriberLabel {
  /**
   * Begin after this place in the log of events instead of now: an event that was heard before, or the cursor of a
   * snapshot that {@link InstanceManager.watch} told. What the log has is told first, up to 1,000 events a turn; then it goes on live,
   * without gap or double.
   */
  readonly after?: Cursor;
}

/** The one shared stream: whatever happens to an instance is published here, once, and nothing else fans out. */
export interface LifecycleBus {
  /** Tells every subscriber, in order. An event published by a subscriber meanwhile waits until the one at hand is told to all. */
  publish(event: LifecycleEvent): void;
  /**
   * Emits every event from subscribe on, within the call that publishes it; who subscribes while an event is told hears
   * from the next one on. With `after` it begins with what the log has, and fails with {@link CursorExpired} when that can't
   * go on from there, with {@link ManagerClosed} when the bus closes before all is told. @throws {@link InvalidRequest}
   */
  events(consumer: string, options?: EventsOptions): Observable<LifecycleEvent>;
  /**
   * Does work for every event: {@link boundedMergeMap} over the events. With `durable` it goes on where this consumer was
   * done before, at least once.
   */
  consume<R>(
    consumer: string,
    project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
    options?: ConsumeOptions,
  ): Observable<R>;
  /** Reads the events with `for await`: {@link boundedIterable} over the events. */
  iterate(consumer: string, options?: IterateOptions): AsyncIterable<LifecycleEvent>;
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
}

const eventsOptions = closed('events options', {}, { ...subscriberKeys, after: cursor });

const liveOptions = closed(
  'events options',
  {},
  { ...subscriberKeys, after: nothing<Cursor>('nothing: this bus has no log to read from') },
);

/** What is right by a look needs no decoder: streams of one instance are asked for by the hundred thousand. */
const isPlain = (options: unknown): boolean =>
  isRecord(options) && typeof options['instanceId'] === 'string' && Object.keys(options).length === 1;

const busOptions = closed(
  'bus options',
  {},
  {
    capacity: capacityCodec,
    onThrow: callback,
    log: withMethods('a log', 'head', 'read', 'loadCursor', 'saveCursor'),
  },
);

/** Creates a {@link LifecycleBus}. @throws {@link InvalidRequest} */
export const createLifecycleBus = (options: LifecycleBusOptions = {}): LifecycleBus =>
  createManagerBus(options);

/** A bus with an entry for those who listen by the hundred thousand. */
export interface ManagerBus extends LifecycleBus {
  /** Tells a listener the events of one instance, with nothing in between. */
  hear(consumer: string, instanceId: string, listener: Listener<LifecycleEvent>): void;
  /** Tells him no more. */
  leave(consumer: string, instanceId: string, listener: Listener<LifecycleEvent>): void;
  /** Tells a listener the first event of each instance that is made with this id or name. */
  expect(consumer: string, idOrName: string, listener: Listener<LifecycleEvent>): void;
  /** Tells him no more. */
  forget(consumer: string, idOrName: string, listener: Listener<LifecycleEvent>): void;
  /** Counts and reports what somebody threw who was told by a listener. */
  threw(consumer: string, error: unknown): void;
  /** Tells those who watch that it will close. */
  closing(): void;
  /** Emits once when that is told, at once to whoever comes later, and completes. */
  readonly closing$: Observable<void>;
}

/** Creates a {@link ManagerBus}. @throws {@link InvalidRequest} */
export function createManagerBus(options: LifecycleBusOptions): ManagerBus {
  decodeOrThrow(busOptions, options);
  const { capacity = defaultCapacity, onThrow = reportThrow, log } = options;
  const audience = new Audience<LifecycleEvent>();
  /** Those who expect an instance, by what they will know it by. */
  const expectant = new Audience<LifecycleEvent>();
  const consumers = createConsumers();
  const turnstile = new Turnstile<LifecycleEvent>();
  const bookmarks = log && createBookmarks(log);
  const closing$ = new ReplaySubject<void>(1);
  const pending: LifecycleEvent[] = [];
  let publishing = false;
  let isClosed = false;

  const tell = (event: LifecycleEvent): void => {
    turnstile.pass(event);
    audience.tell(event, event.instanceId);
    if (event.action !== 'create' && event.action !== 'fork') return;
    expectant.tell(event, event.instanceId);
    expectant.tell(event, event.instance.name);
  };

  const tellInTurn = (event: LifecycleEvent): void => {
    publishing = true;
    tell(event);
    if (pending.length > 0) {
      // Goes on to the events that are put in meanwhile.
      for (const next of pending) tell(next);
      pending.length = 0;
    }
    publishing = false;
    if (isClosed) completeAll();
  };

  const completeAll = (): void => {
    // Those behind closed gates first: one that opens on hearing the end would come too late to hear it.
    turnstile.complete();
    audience.complete();
    expectant.complete();
  };

  const join =
    (
      of: Consumer,
      { instanceId, label }: EventsOptions,
      wants: ((event: LifecycleEvent) => boolean) | undefined,
    ): Connect<LifecycleEvent> =>
    (subscriber) => {
      const observer = wants === undefined ? subscriber : picking(wants, subscriber);
      if (isClosed) {
        observer.complete();
        return undefined;
      }
      const consumer = bookOf(of, label);
      consumer.joined();
      audience.join(observer, instanceId);
      return new Subscription(() => {
        audience.leave(observer, instanceId);
        consumer.left();
      });
    };

  const enter =
    (instanceId?: string): Join<LifecycleEvent> =>
    (listener) => {
      audience.join(listener, instanceId);
      return () => {
        audience.leave(listener, instanceId);
      };
    };

  /** Counts who subscribes. */
  const attended = (
    consumer: Consumer,
    values$: Observable<LifecycleEvent>,
    tooLate: (subscriber: Subscriber<LifecycleEvent>) => void,
  ): Observable<LifecycleEvent> =>
    new Observable((subscriber) => {
      if (isClosed) {
        tooLate(subscriber);
        return;
      }
      consumer.joined();
      subscriber.add(consumer.left);
      subscriber.add(values$.subscribe(subscriber));
    });

  /** The events after a place in the log. */
  const resumed = (
    consumer: Consumer,
    from: LifecycleLog,
    options: Omit<ReplayOptions, 'onResumed'>,
  ): GatedSource<LifecycleEvent> => {
    const { values$, gate } = replay(from, turnstile, enter(options.instanceId), {
      ...options,
      onResumed: consumer.resumed,
    });
    return { gate, values$: attended(consumer, values$, options.after === undefined ? complete : cutOff) };
  };

  /** What one queue is filled from. */
  const source = (
    consumer: Consumer,
    { overflow, capacity }: QueueSettings<LifecycleEvent>,
    filter: EventFilter,
    after?: Cursor,
  ): Source => {
    const { instanceId } = filter;
    const wants = hasConditions(filter) ? concerns(filter) : undefined;
    if (log !== undefined && overflow === 'resume') {
      return resumed(consumer, log, { after, pageSize: pageFor(capacity), instanceId, wants });
    }
    // A gate counts whatever goes by; of these only some do.
    if (instanceId !== undefined || wants !== undefined) {
      return { values$: attended(consumer, picked(instanceId, wants), complete) };
    }
    const { values$, gate } = turnstile.gated(enter(), (count) => {
      consumer.dropped('buffer_full', count);
    });
    return { gate, values$: attended(consumer, values$, complete) };
  };

  /** The events of one instance, or of all, that are wanted. */
  const picked = (
    instanceId: string | undefined,
    wants: ((event: LifecycleEvent) => boolean) | undefined,
  ): Observable<LifecycleEvent> =>
    new Observable((subscriber) => {
      const listener = picking(wants ?? always, subscriber);
      audience.join(listener, instanceId);
      return () => {
        audience.leave(listener, instanceId);
      };
    });

  /** A queue that is filled, and whose books are kept. */
  const queued = <Settings extends QueueSettings<LifecycleEvent>>(
    consumer: Consumer,
    settings: Settings,
    filter: EventFilter,
    after?: Cursor,
  ): { readonly values$: Observable<LifecycleEvent>; readonly settings: Settings } => {
    const { values$, gate } = source(consumer, settings, filter, after);
    return { values$, settings: { ...settings, ledger: consumer, ...(gate && { gate }) } };
  };

  /** For a watch: all events from which an instance can come to be watched, or not to be any more. */
  const watched = (
    consumer: Consumer,
    settings: QueueSettings<LifecycleEvent>,
    filter: EventFilter,
  ): ReturnType<typeof queued<QueueSettings<LifecycleEvent>>> => {
    if (!hasConditions(filter)) return queued(consumer, settings, filter);
    const values$ = attended(consumer, picked(filter.instanceId, undefined), complete);
    return { values$, settings: { ...settings, ledger: consumer } };
  };

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

  const defaults = { ...byInstance, capacity, hasLog: log !== undefined };

  return {
    publish: (event) => {
      if (isClosed) return;
      if (publishing) pending.push(event);
      else tellInTurn(event);
    },
    hear: (name, instanceId, listener) => {
      consumers.of(name).joined();
      audience.join(listener, instanceId);
    },
    leave: (name, instanceId, listener) => {
      audience.leave(listener, instanceId);
      consumers.of(name).left();
    },
    expect: (name, idOrName, listener) => {
      consumers.of(name).joined();
      expectant.join(listener, idOrName);
    },
    forget: (name, idOrName, listener) => {
      expectant.leave(listener, idOrName);
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
      const asked: EventsOptions = isPlain(options) ? options : decodeOrThrow(codec, options);
      const { after, instanceId, label } = asked;
      const wants = hasConditions(asked) ? concerns(asked) : undefined;
      const consumer = consumers.of(name);
      if (log === undefined || after === undefined) return contained(name, join(consumer, asked, wants));
      const begin = { after, instanceId, wants, pageSize: largestPage };
      return contained(name, through(defer(() => resumed(bookOf(consumer, label), log, begin).values$)));
    },
    consume: (name, project, options = {}) => {
      const asked = consumeSettings(project, options, defaults);
      const { after, label } = options;
      const consumer = consumers.of(name);
      const work$ = defer(() => {
        const { values$, settings } = queued(bookOf(consumer, label), asked, options, after);
        return values$.pipe(mergeMapThrough(project, settings));
      });
      if (bookmarks === undefined || !asked.durable) return contained(name, through(work$));
      const durable$ = bookmarks.keep(name, ({ after: place, follow, mark }) => {
        // All of them: what is left out is to be done with too, or its place would stay behind for good.
        const { values$, settings } = queued(bookOf(consumer, label), asked, {}, place);
        return values$.pipe(follow, mergeMapThrough(mark(onlyFor(options, project)), settings));
      });
      const whileOpen$ = defer(() => (isClosed ? throwError(() => new ManagerClosed()) : durable$));
      return contained(name, through(whileOpen$));
    },
    iterate: (name, options = {}) => {
      const asked = iterateSettings(options, defaults);
      const { after, label } = options;
      const consumer = consumers.of(name);
      return iterateThrough(() => {
        const { values$, settings } = queued(bookOf(consumer, label), asked, options, after);
        return { source$: values$, settings };
      });
    },
    watch: (name, read, options = {}) => {
      const asked = watchSettings(options, defaults);
      const { instanceId, label } = options;
      const consumer = consumers.of(name);
      const watch$ = defer(() => {
        // Also what does not fit the conditions any more.
        const { values$, settings } = watched(bookOf(consumer, label), asked, options);
        return values$.pipe(snapshotThen(() => read(instanceId), settings, closing$, options));
      });
      return contained(name, through(watch$));
    },
    stats: () => {
      turnstile.settle();
      return consumers.stats();
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      if (!publishing) completeAll();
    },
  };
}

/** The books on one subscription. */
const bookOf = (consumer: Consumer, label: string | undefined): Consumer =>
  label === undefined ? consumer : consumer.labelled(label);

const complete = (subscriber: Subscriber<unknown>): void => {
  subscriber.complete();
};

const cutOff = (subscriber: Subscriber<unknown>): void => {
  subscriber.error(new ManagerClosed());
};

/** What one queue is filled from; without a gate where not all that goes by concerns it. */
type Source = Pick<GatedSource<LifecycleEvent>, 'values$'> & Partial<GatedSource<LifecycleEvent>>;

/** Tells a listener what is wanted. */
const picking = (
  wants: (event: LifecycleEvent) => boolean,
  listener: Listener<LifecycleEvent>,
): Listener<LifecycleEvent> => ({
  next: (event) => {
    if (wants(event)) listener.next(event);
  },
  complete: () => {
    listener.complete();
  },
});

const always = (): boolean => true;

/** Work for the events of a filter, counted by themselves; nothing for the others. */
function onlyFor<R>(
  filter: EventFilter,
  project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
): (event: LifecycleEvent, index: number) => ObservableInput<R> {
  const wants = concerns(filter);
  let index = 0;
  return (event) => (wants(event) ? project(event, index++) : EMPTY);
}
