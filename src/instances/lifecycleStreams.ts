import type { Observable } from 'rxjs';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import type { WatchOptions } from '../streams/eventOptions.js';
import type { EventStreams } from '../streams/eventStreams.js';
import type { WaitOptions, WaitTarget } from '../streams/waitOptions.js';
import type { WaitOutcome } from '../streams/waits.js';

/**
 * What happens to instances, as it happens: a manager has it, and so has whatever brings its events from afar. Every subscriber gives
 * the name under which it is counted, its consumer.
 */
export interface LifecycleStreams extends EventStreams {
  /**
   * Emits the whole table, then one change after another; after a lag the whole table again. Whoever applies each in turn
   * holds the true table in the end. Changes are emitted in a turn of their own, never within the call that publishes.
   *
   * With a filter it is a table of those for which that holds: one for which it does not hold any more is `removed`, with the view for
   * which it held last as `last`, and told anew by an `upsert` once it holds again.
   *
   * When the manager begins to close, `closing` is emitted before the stops that come of it, for whoever acts on what is
   * not as it should be: `takeWhile(({ kind }) => kind !== 'closing')` ends a control loop there.
   *
   * @throws as `consume`
   */
  watch(consumer: string, options?: WatchOptions): Observable<InstanceChange>;
  /**
   * Waits until an instance reaches a state, or one of several: {@link waitForState} over these events and the instances that they tell of. A restart that comes
   * meanwhile ends a wait for Running with the Stopped in between, unless it may go `through` that; one that is begun once `restart` has
   * emitted does not see it. With `mayBeAbsent` an instance that is still to come is found by its id or its name.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const waiting = firstValueFrom(manager.waitForState('web', 'Running', { mayBeAbsent: true, through: ['Stopped'] }));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * const { reached, via } = await waiting;
   * [reached, via]; // => [true, 'event']
   * await manager.close();
   * ```
   */
  waitForState(
    idOrName: string,
    target: WaitTarget | readonly WaitTarget[],
    options?: WaitOptions,
  ): Observable<WaitOutcome>;
}
