import { createWaiter, WaiterState } from '@smithy/util-waiter';
import pWaitFor from 'p-wait-for';
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { waitForState } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

const timers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

/** C11 and more: what a wait leaves behind. */
export const abandonedWait: Trap = {
  name: 'a wait leaves something behind',
  peer: 'p-wait-for, and the waiter of smithy',
  falls: async () => {
    const polled = new AbortController();
    let polls = 0;
    await pWaitFor(() => (polls += 1) > 10, { interval: 1, signal: polled.signal });
    const left = listeners(polled.signal);
    assert.ok(left >= 10);

    const aborted = new AbortController();
    const before = timers();
    const options = {
      client: undefined,
      minDelay: 1,
      maxDelay: 2,
      maxWaitTime: 60,
      abortSignal: aborted.signal,
    };
    const waiting = createWaiter(options, undefined, () => Promise.resolve({ state: WaiterState.RETRY }));
    setTimeout(() => {
      aborted.abort();
    }, 20);
    await waiting.catch(() => undefined);
    assert.ok(timers() > before);
    const abortedAt = performance.now();
    while (timers() > before) await new Promise((turn) => setTimeout(turn, 10));
    const seconds = ((performance.now() - abortedAt) / 1_000).toFixed(1);
    return `ten polls of the first leave ${String(left)} listeners; a timer of the second, aborted, holds the process for ${seconds} s more`;
  },
  passes: async () => {
    const { source, change } = openScene('Initializing');
    const before = timers();
    const { signal } = new AbortController();
    const outcome = firstValueFrom(waitForState(source, id, 'Running', { pollMs: 1, signal }));
    setTimeout(() => change('Running'), 20);
    await outcome;
    assert.deepEqual([listeners(signal), timers()], [0, before]);

    const aborting = new AbortController();
    const aborted = firstValueFrom(waitForState(source, id, 'Standby', { signal: aborting.signal }));
    const reason = new Error('no longer wanted');
    aborting.abort(reason);
    await assert.rejects(aborted, reason);
    assert.deepEqual([listeners(aborting.signal), timers()], [0, before]);
    return 'no listener and no timer is left, neither after the outcome nor after an abort';
  },
};
