import assert from 'node:assert/strict';
import { waitForState } from 'rx-instances';
import { defer, delay, firstValueFrom, of } from 'rxjs';
import { createChannelBus } from '../peers/channelBus.js';
import { hypemanWait } from '../peers/hypemanWait.js';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

/** hypeman's poll, shortened from 5 s. */
const pollMs = 100;

/** C1: the change falls between the caller's read and the subscription of the wait. */
export const lostWakeUp: Trap = {
  name: 'a change between read and subscribe is missed',
  peer: 'hypeman, re-told, its poll of 5 s shortened to 0.1 s',
  falls: async () => {
    const bus = createChannelBus();
    const { now, change } = openScene('Initializing');
    const snapshot = now();
    bus.notify(change('Running'));
    const outcome = await hypemanWait({ bus, read: now, pollMs }, snapshot, 'Running');
    assert.deepEqual(outcome, { state: 'Running', via: 'poll' });
    return 'only its poll finds out';
  },
  passes: async () => {
    const before = openScene('Initializing');
    before.change('Running');
    const read = await firstValueFrom(waitForState(before.source, id, 'Running'));
    assert.deepEqual([read.state, read.via], ['Running', 'read']);

    // The answer of a read is older than an event that comes while it is under way.
    const meanwhile = openScene('Initializing', (now) => defer(() => of(now()).pipe(delay(20))));
    const outcome = firstValueFrom(waitForState(meanwhile.source, id, 'Running'));
    meanwhile.change('Running');
    const told = await outcome;
    assert.deepEqual([told.state, told.via], ['Running', 'event']);
    return 'its read finds out, and so does an event during the read';
  },
};
