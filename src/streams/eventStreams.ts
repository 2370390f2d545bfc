import type { Observable, ObservableInput } from 'rxjs';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { ConsumeOptions, EventsOptions, IterateOptions } from './eventOptions.js';

/** The three ways to hear events: as they come, as work to be done, and one after another with `for await`. */
export interface EventStreams {
  /**
   * Emits every event from subscribe on, within the call that publishes it; nothing is buffered. It never errors, and
   * completes when the manager or the bus closes. A subscriber that throws is unsubscribed and counted, and hurts nobody else.
   *
   * With `after` it emits first what the log of events has after that place, a page of 1,000 events in each turn, and goes
   * over to live without gap or double, however fast events are published; no more than a page is kept for it meanwhile.
   * Every event is a cursor, and so is `cursor` of the snapshot that `watch` emits. Then it can fail: with
   * {@link CursorExpired} when the log has lost an event after the place or is another one, upon which `watch` begins
   * anew; with {@link StoreFailed}; and with {@link ManagerClosed} when the manager closes before all of the log was told, so
   * that an end is never taken for the end of the log.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const heard = firstValueFrom(manager.events('my_app'));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * await firstValueFrom(manager.stop('web'));
   * await firstValueFrom(manager.start('web'));
   *
   * const missed$ = manager.events('my_app', { after: await heard }).pipe(take(2), toArray());
   * (await lastValueFrom(missed$)).map(({ action }) => action); // => ['stop', 'start']
   * await manager.close();
   * ```
   *
   * @param consumer - the name under which the subscriber is counted: a lower-case letter, then lower-case letters, digits
   * and underscores
   * @throws {@link InvalidRequest} at once for what is no name and for options that can't be understood,
   * {@link TooManyConsumers} for the 65th name
   */
  events(consumer: string, options?: EventsOptions): Observable<LifecycleEvent>;
  /**
   * Does work for every event, `concurrency` at a time, with a queue of its own: {@link boundedMergeMap} over the events.
   *
   * With the policy `resume` no event is lost, however slow the work and however small the queue: what does not fit is read
   * from the log later. Also fails with {@link CursorExpired} when the log has lost the place by then, with {@link StoreFailed},
   * and with {@link ManagerClosed} when the manager closes before all that is in the log was read.
   *
   * With `after` it begins after that place in the log, as `events` does, with the policy `resume`: a subscriber that has gone on
   * from its last event lets no more wait than its queue takes. With a `label` it is told by itself in `stats()`.
   *
   * With `durable: true` the policy is `resume`, and the manager remembers under the consumer's name how far it came: with
   * which event it was done, and with all before. The first time it begins with the events from now on; from then on where it
   * was, also after a crash or in another process that opens the same `dataDir`. Every event is given **at least once**: what
   * was not remembered yet when it stopped, and an event whose project failed, is given again, so a project has to
   * bear to be run twice. Within one run each event is given once and in order. One at a time may consume durably under a name; a
   * second fails with {@link ConsumerTaken}. When the log has lost events after the place, it fails once with
   * {@link CursorExpired}, and begins next time with the oldest event that is kept. What is done after the manager
   * has closed is not remembered.
   *
   * @throws as `events`, and {@link InvalidRequest} at once for a project that is no function and for buffering that can't be
   * understood
   */
  consume<R>(
    consumer: string,
    project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
    options?: ConsumeOptions,
  ): Observable<R>;
  /**
   * Reads the events with `for await`, with a queue of its own: {@link boundedIterable} over the events. The policy `resume`,
   * `after` and `label` are as with `consume`.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const heard = firstValueFrom(manager.events('my_app'));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * await firstValueFrom(manager.stop('web'));
   *
   * // Of a client that comes back with the last event that it had.
   * const [after, seen] = [await heard, ['']];
   * for await (const { action } of manager.iterate('http', { after, label: '192.0.2.7' })) {
   *   seen.push(action, ...(manager.stats()['http']?.labelled ?? []).map(({ label }) => label));
   *   break;
   * }
   * seen; // => ['', 'stop', '192.0.2.7']
   * await manager.close();
   * ```
   *
   * @throws as `consume`
   */
  iterate(consumer: string, options?: IterateOptions): AsyncIterable<LifecycleEvent>;
}
