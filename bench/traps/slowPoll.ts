import assert from 'node:assert/strict';
import { waitForState } from 'rx-instances';
import {
  defer,
  delay,
  firstValueFrom,
  interval,
  lastValueFrom,
  of,
  switchMap,
  takeUntil,
  timer,
  toArray,
} from 'rxjs';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

const pollMs = 10;
const readMs = 35;

/** C10: a read takes longer than the interval between polls. */
export const slowPoll: Trap = {
  name: 'reads are slower than the poll',
  peer: 'interval and switchMap',
  falls: async () => {
    let begun = 0;
    const read$ = defer(() => {
      begun += 1;
      return of('Running').pipe(delay(readMs));
    });
    const answers = await lastValueFrom(
      interval(pollMs).pipe(
        switchMap(() => read$),
        takeUntil(timer(500)),
        toArray(),
      ),
    );
    // A machine that stands still for a while may let one or two through.
    assert.ok(begun > 5 && answers.length < begun / 2, `${String(answers.length)} of ${String(begun)}`);
    return `of ${String(begun)} reads in half a second ${String(answers.length)} were answered`;
  },
  passes: async () => {
    let begun = 0;
    let underWay = 0;
    let most = 0;
    const { source, now, changeInSilence } = openScene('Initializing');
    const refresh = () =>
      defer(() => {
        begun += 1;
        underWay += 1;
        most = Math.max(most, underWay);
        return timer(readMs).pipe(
          switchMap(() => {
            underWay -= 1;
            return of(now());
          }),
        );
      });
    const outcome = firstValueFrom(waitForState({ ...source, refresh }, id, 'Running', { pollMs }));
    setTimeout(changeInSilence, 3 * readMs, 'Running');
    const { state, via } = await outcome;
    assert.deepEqual([state, via, most], ['Running', 'poll', 1]);
    return `one read at a time, ${String(begun)} in all, finds what no event told`;
  },
};
