import assert from 'node:assert/strict';
import { type LifecycleEvent, waitForState } from 'rx-instances';
import {
  defer,
  EMPTY,
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  of,
  race,
  Subject,
  throwError,
  toArray,
} from 'rxjs';
import { event, instance } from '../events.js';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

/** C9: events and polls race, taken by the word. */
export const literalRace: Trap = {
  name: 'events and polls in a literal race',
  peer: "RxJS's race",
  falls: async () => {
    const events$ = new Subject<LifecycleEvent>();
    const told$ = events$.pipe(map(({ instance: now }) => now?.state));
    const found$ = new Subject<ReturnType<typeof instance>>();
    const states: unknown[] = [];
    race(told$, found$.pipe(map(({ state }) => state)))
      .pipe(filter((state) => state === 'Running'))
      .subscribe((state) => states.push(state));
    found$.next(instance(id, 'Initializing'));
    events$.next(event(2, id, 'Running'));
    assert.deepEqual(states, []);

    const failing$ = throwError(() => new Error('a poll failed'));
    await assert.rejects(firstValueFrom(race(told$, failing$)), /a poll failed/);
    assert.deepEqual(await lastValueFrom(race(told$, EMPTY).pipe(toArray())), []);
    return 'the first answer of the poll wins, whatever it says; one failed poll fails it, an empty one ends it';
  },
  passes: async () => {
    const answers = [
      () => of(instance(id, 'Initializing')),
      () => throwError(() => new Error('a read failed')),
      () => EMPTY,
    ];
    for (const answer of answers) {
      const { source, change } = openScene('Initializing', () => defer(answer));
      const outcome = firstValueFrom(waitForState(source, id, 'Running'));
      change('Running');
      const { state, via } = await outcome;
      assert.deepEqual([state, via], ['Running', 'event']);
    }
    return 'only what decides counts: an answer that does not, one that fails and none at all are passed over';
  },
};
