import { Observable, type Subscriber, Subscription } from 'rxjs';
import { ManagerClosed } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Consumer } from './consumers.js';
import type { Connect } from './containedObservable.js';
import type { EventSubject } from './eventSubject.js';
import { type FeedSource, type QueueInput, unpausable } from './feed.js';
import { concerns, type EventFilter, hasConditions } from './instanceFilter.js';
import type { LifecycleLog } from './lifecycleLog.js';
import type { Listener } from './listeners.js';
import type { Listen } from './pausedListeners.js';
import type { QueueSettings } from './queueSettings.js';
import { largestPage, pageFor, replay, type ReplayOptions } from './replay.js';

/** The ways in which events reach a subscriber. */
export interface EventFeeds {
  /** To a plain subscriber, within the call that publishes. */
  live(consumer: Consumer, filter: EventFilter): Connect<LifecycleEvent>;
  /** To a plain subscriber, from a place in the log on. */
  after(
    consumer: Consumer,
    log: LifecycleLog,
    filter: EventFilter,
    after: Cursor,
  ): FeedSource<LifecycleEvent>;
  /** To a queue; with `after` from a place in the log on. */
  queued(
    consumer: Consumer,
    settings: QueueSettings<LifecycleEvent>,
    filter: EventFilter,
    after?: Cursor,
  ): QueueInput<LifecycleEvent>;
  /** To the queue of a watch: every event by which an instance can come to match the filter, or cease to. */
  watched(consumer: Consumer, filter: EventFilter): QueueInput<LifecycleEvent>;
}

/** Creates the {@link EventFeeds} of a subject, whose events are kept in `log`. */
export function createEventFeeds(subject: EventSubject, log?: LifecycleLog): EventFeeds {
  const { listeners, paused } = subject;

  const listen =
    (instanceId?: string): Listen<LifecycleEvent> =>
    (listener) => {
      listeners.add(listener, instanceId);
      return () => {
        listeners.remove(listener, instanceId);
      };
    };

  /** Counts the subscriber; one that comes after the end gets `tooLate`. */
  const counted =
    (
      consumer: Consumer,
      source: FeedSource<LifecycleEvent>,
      tooLate: (subscriber: Subscriber<LifecycleEvent>) => void,
    ): FeedSource<LifecycleEvent> =>
    (subscriber) => {
      const feed = source(subscriber);
      return {
        ...feed,
        start: () => {
          if (subject.isClosed) {
            tooLate(subscriber);
            return;
          }
          consumer.joined();
          subscriber.add(consumer.left);
          feed.start();
        },
      };
    };

  /** The events after a place in the log. */
  const resumed = (
    consumer: Consumer,
    from: LifecycleLog,
    options: Omit<ReplayOptions, 'onResumed'>,
  ): FeedSource<LifecycleEvent> => {
    const onResumed = consumer.resumed;
    const source = replay(from, paused, listen(options.instanceId), { ...options, onResumed });
    return counted(consumer, source, options.after === undefined ? complete : failClosed);
  };

  /** All events, of which a paused feed misses some. */
  const everything =
    (consumer: Consumer): FeedSource<LifecycleEvent> =>
    (subscriber) =>
      paused.feed(subscriber, listen(), (count) => {
        consumer.dropped('buffer_full', count);
      });

  /** The wanted events of one instance, or of all: what a paused feed of these missed could not be counted. */
  const picked = (
    instanceId: string | undefined,
    isWanted: EventPredicate = always,
  ): FeedSource<LifecycleEvent> =>
    unpausable(new Observable((subscriber) => listen(instanceId)(filtered(isWanted, subscriber))));

  const source = (
    consumer: Consumer,
    { overflow, capacity }: QueueSettings<LifecycleEvent>,
    filter: EventFilter,
    after?: Cursor,
  ): FeedSource<LifecycleEvent> => {
    const { instanceId } = filter;
    const wants = predicateOf(filter);
    if (log !== undefined && overflow === 'resume') {
      return resumed(consumer, log, { after, pageSize: pageFor(capacity), instanceId, wants });
    }
    const isAll = instanceId === undefined && wants === undefined;
    return counted(consumer, isAll ? everything(consumer) : picked(instanceId, wants), complete);
  };

  return {
    live: (consumer, filter) => (observer) => {
      const { instanceId } = filter;
      const wants = predicateOf(filter);
      const listener = wants === undefined ? observer : filtered(wants, observer);
      if (subject.isClosed) {
        listener.complete();
        return undefined;
      }
      consumer.joined();
      listeners.add(listener, instanceId);
      return new Subscription(() => {
        listeners.remove(listener, instanceId);
        consumer.left();
      });
    },
    after: (consumer, from, filter, after) =>
      resumed(consumer, from, {
        after,
        instanceId: filter.instanceId,
        wants: predicateOf(filter),
        pageSize: largestPage,
      }),
    queued: (consumer, settings, filter, after) => ({
      source: source(consumer, settings, filter, after),
      recorder: consumer,
    }),
    watched: (consumer, filter) => ({
      source: counted(
        consumer,
        hasConditions(filter) || filter.instanceId !== undefined
          ? picked(filter.instanceId)
          : everything(consumer),
        complete,
      ),
      recorder: consumer,
    }),
  };
}

type EventPredicate = (event: LifecycleEvent) => boolean;

/** What a filter asks for besides an id, which listeners are found by. */
const predicateOf = (filter: EventFilter): EventPredicate | undefined =>
  hasConditions(filter) ? concerns(filter) : undefined;

const filtered = (
  isWanted: EventPredicate,
  listener: Listener<LifecycleEvent>,
): Listener<LifecycleEvent> => ({
  next: (event) => {
    if (isWanted(event)) listener.next(event);
  },
  complete: () => {
    listener.complete();
  },
});

const complete = (subscriber: Subscriber<unknown>): void => {
  subscriber.complete();
};

const failClosed = (subscriber: Subscriber<unknown>): void => {
  subscriber.error(new ManagerClosed());
};

const always = (): boolean => true;
