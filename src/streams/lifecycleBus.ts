import { Observable, type ObservableInput, Subject, type Subscriber } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import { iterateThrough } from './boundedIterable.js';
import { mergeMapThrough } from './boundedMergeMap.js';
import {
  type Buffering,
  byInstance,
  callback,
  capacityCodec,
  defaultCapacity,
  queueSettings,
  type WatchBuffering,
  watchSettings,
  type WorkBuffering,
  workSettings,
} from './buffering.js';
import { type Consumer, type ConsumerStats, createConsumers } from './consumers.js';
import { ContainedObservable } from './containedObservable.js';
import { type InstanceChange, snapshotThen, type TableView } from './snapshotThen.js';

/** Which events to hear. */
export interface EventsOptions {
  /** Events of the instance with this exact id only. Publishing an event costs nothing to those of other instances. */
  readonly instanceId?: string;
}

/** The one shared stream: whatever happens to an instance is published here, once, and nothing else fans out. */
export interface LifecycleBus {
  /** Tells every subscriber, in order. Called by a subscriber meanwhile, it waits until the event at hand is told to all. */
  publish(event: LifecycleEvent): void;
  /** Emits every event from subscribe on, within the call that publishes it. */
  events(consumer: string, options?: EventsOptions): Observable<LifecycleEvent>;
  /** Does work for every event: {@link boundedMergeMap} over the events. */
  consume<R>(
    consumer: string,
    project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
    buffering?: WorkBuffering<LifecycleEvent>,
  ): Observable<R>;
  /** Reads the events with `for await`: {@link boundedIterable} over the events. */
  iterate(consumer: string, buffering?: Buffering<LifecycleEvent>): AsyncIterable<LifecycleEvent>;
  /** Emits the table that `read` tells, then its changes; after a lag the table again. */
  watch(
    consumer: string,
    read: () => Observable<TableView>,
    buffering?: WatchBuffering,
  ): Observable<InstanceChange>;
  /** Tells of every consumer what its subscribers are doing. */
  stats(): Readonly<Record<string, ConsumerStats>>;
  /** Completes every stream, after the events that are being told. Who subscribes later gets the end at once. */
  close(): void;
}

/** How to make a bus. */
export interface LifecycleBusOptions {
  /** Capacity of queues whose subscriber does not say. @defaultValue 256 */
  readonly capacity?: number;
  /** Told of a subscriber that threw; it has been unsubscribed and counted. @defaultValue nothing */
  readonly onThrow?: (consumer: string, error: unknown) => void;
}

const busOptions = closed('bus options', {}, { capacity: capacityCodec, onThrow: callback });

/** Creates a {@link LifecycleBus}. @throws {@link InvalidRequest} */
export function createLifecycleBus(options: LifecycleBusOptions = {}): LifecycleBus {
  decodeOrThrow(busOptions, options);
  const { capacity = defaultCapacity, onThrow } = options;
  const shared$ = new Subject<LifecycleEvent>();
  const keyed = new Map<string, Set<Subscriber<LifecycleEvent>>>();
  const consumers = createConsumers();
  const pending: LifecycleEvent[] = [];
  let publishing = false;
  let isClosed = false;

  const tell = (event: LifecycleEvent): void => {
    shared$.next(event);
    const concerned = keyed.get(event.instanceId);
    if (concerned === undefined) return;
    // A copy: who subscribes meanwhile hears from the next event on, as with a Subject.
    for (const subscriber of [...concerned]) subscriber.next(event);
  };

  const publish = (event: LifecycleEvent): void => {
    pending.push(event);
    if (publishing) return;
    publishing = true;
    // Goes on to the events that are put in meanwhile.
    for (const event of pending) tell(event);
    pending.length = 0;
    publishing = false;
    if (isClosed) completeAll();
  };

  const completeAll = (): void => {
    shared$.complete();
    for (const concerned of [...keyed.values()]) {
      for (const subscriber of [...concerned]) subscriber.complete();
    }
  };

  const concerning = (instanceId: string, subscriber: Subscriber<LifecycleEvent>): void => {
    const concerned = keyed.get(instanceId) ?? new Set();
    keyed.set(instanceId, concerned.add(subscriber));
    subscriber.add(() => {
      concerned.delete(subscriber);
      if (concerned.size === 0) keyed.delete(instanceId);
    });
  };

  const eventsOf = (consumer: Consumer, instanceId?: string): Observable<LifecycleEvent> =>
    new Observable((subscriber) => {
      if (isClosed) {
        subscriber.complete();
        return;
      }
      subscriber.add(consumer.subscribed());
      if (instanceId === undefined) subscriber.add(shared$.subscribe(subscriber));
      else concerning(instanceId, subscriber);
    });

  const contained = <T>(name: string, consumer: Consumer, source$: Observable<T>): Observable<T> =>
    new ContainedObservable(source$, (error) => {
      consumer.threw();
      try {
        onThrow?.(name, error);
      } catch {
        // It has been counted; who reports on a subscriber can't be allowed to stop the publisher either.
      }
    });

  const defaults = (ledger: Consumer) => ({ ...byInstance, capacity, ledger });

  return {
    publish,
    events: (name, { instanceId } = {}) => {
      const consumer = consumers.of(name);
      return contained(name, consumer, eventsOf(consumer, instanceId));
    },
    consume: (name, project, buffering = {}) => {
      const consumer = consumers.of(name);
      const settings = workSettings(buffering, defaults(consumer));
      return contained(name, consumer, eventsOf(consumer).pipe(mergeMapThrough(project, settings)));
    },
    iterate: (name, buffering = {}) => {
      const consumer = consumers.of(name);
      return iterateThrough(eventsOf(consumer), queueSettings(buffering, defaults(consumer)));
    },
    watch: (name, read, buffering = {}) => {
      const consumer = consumers.of(name);
      const settings = watchSettings(buffering, defaults(consumer));
      return contained(name, consumer, eventsOf(consumer).pipe(snapshotThen(read, settings)));
    },
    stats: consumers.stats,
    close: () => {
      if (isClosed) return;
      isClosed = true;
      if (!publishing) completeAll();
    },
  };
}
