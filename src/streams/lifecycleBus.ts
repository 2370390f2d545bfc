import * as t from 'io-ts';
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
  /** Tells every subscriber, in order. An event published by a subscriber meanwhile waits until the one at hand is told to all. */
  publish(event: LifecycleEvent): void;
  /**
   * Emits every event from subscribe on, within the call that publishes it; who subscribes while an event is told hears
   * from the next one on. @throws {@link InvalidRequest}
   */
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
  /** Told of a subscriber that threw; it has been unsubscribed and counted. @defaultValue nothing */
  readonly onThrow?: (consumer: string, error: unknown) => void;
}

const eventsOptions = closed('events options', {}, { instanceId: t.string });
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
    // A copy, taken first: who subscribes meanwhile hears from the next event on, as with a Subject.
    const concerned = [...(keyed.get(event.instanceId) ?? [])];
    shared$.next(event);
    for (const subscriber of concerned) subscriber.next(event);
  };

  const tellPending = (): void => {
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

  const eventsOf = (name: string, consumer: Consumer, instanceId?: string): Observable<LifecycleEvent> => {
    const events$ = new Observable<LifecycleEvent>((subscriber) => {
      if (isClosed) {
        subscriber.complete();
        return;
      }
      subscriber.add(consumer.subscribed());
      if (instanceId === undefined) subscriber.add(shared$.subscribe(subscriber));
      else concerning(instanceId, subscriber);
    });
    return new ContainedObservable(events$, (error) => {
      consumer.threw();
      try {
        onThrow?.(name, error);
      } catch {
        // It has been counted; who reports on a subscriber can't be allowed to stop the publisher either.
      }
    });
  };

  const defaults = (ledger: Consumer) => ({ ...byInstance, capacity, ledger });

  return {
    publish: (event) => {
      if (isClosed) return;
      pending.push(event);
      if (!publishing) tellPending();
    },
    events: (name, options = {}) => {
      const { instanceId } = decodeOrThrow(eventsOptions, options);
      return eventsOf(name, consumers.of(name), instanceId);
    },
    consume: (name, project, buffering = {}) => {
      const consumer = consumers.of(name);
      const settings = workSettings(buffering, defaults(consumer));
      return eventsOf(name, consumer).pipe(mergeMapThrough(project, settings));
    },
    iterate: (name, buffering = {}) => {
      const consumer = consumers.of(name);
      return iterateThrough(eventsOf(name, consumer), queueSettings(buffering, defaults(consumer)));
    },
    watch: (name, read, buffering = {}) => {
      const consumer = consumers.of(name);
      const settings = watchSettings(buffering, defaults(consumer));
      return eventsOf(name, consumer).pipe(snapshotThen(read, settings));
    },
    stats: consumers.stats,
    close: () => {
      if (isClosed) return;
      isClosed = true;
      if (!publishing) completeAll();
    },
  };
}
