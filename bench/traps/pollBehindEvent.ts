import assert from 'node:assert/strict';
import { type Instance, type State, waitForState } from 'rx-instances';
import { firstValueFrom, Subject } from 'rxjs';
import { createDaytonaSandbox } from '../peers/daytonaSandbox.js';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

/** C3: the answer to an earlier question arrives after a newer event. */
export const pollBehindEvent: Trap = {
  name: 'an older answer overtakes a newer event',
  peer: 'Daytona, re-told',
  falls: async () => {
    let answer: (state: State) => void = () => undefined;
    const ask = (): Promise<State> => new Promise((resolve) => (answer = resolve));
    const sandbox = createDaytonaSandbox(ask, 'Initializing');
    const waiting = sandbox.waitFor('Running', 100, new AbortController().signal);
    sandbox.told('Running');
    await waiting;
    answer('Initializing');
    await Promise.resolve();
    assert.equal(sandbox.state(), 'Initializing');
    return 'the sandbox runs, and stays "Initializing" for ever';
  },
  passes: async () => {
    const answers$ = new Subject<Instance>();
    const { source, now, change } = openScene('Stopped', () => answers$);
    const asked = now();
    const outcome = firstValueFrom(waitForState(source, id, 'Running'));
    change('Initializing');
    // It would end the wait: from Stopped nothing leads on by itself.
    answers$.next(asked);
    change('Running');
    const { state, via } = await outcome;
    assert.deepEqual([state, via], ['Running', 'event']);
    return 'a view of an older revision decides nothing';
  },
};
