import assert from 'node:assert/strict';
import { waitForState } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { createChannelBus } from '../peers/channelBus.js';
import { hypemanWait } from '../peers/hypemanWait.js';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

/** C2: what the caller knew before decides, though it is not so any more. */
export const staleSnapshot: Trap = {
  name: 'an old snapshot decides',
  peer: 'hypeman, re-told',
  falls: async () => {
    const bus = createChannelBus();
    const started = openScene('Stopped');
    const stopped = started.now();
    started.change('Running');
    const failed = await hypemanWait({ bus, read: started.now }, stopped, 'Running');
    assert.deepEqual(failed, { state: 'Stopped', via: 'snapshot' });

    const ended = openScene('Running');
    const running = ended.now();
    ended.change('Stopped');
    const succeeded = await hypemanWait({ bus, read: ended.now }, running, 'Running');
    assert.deepEqual(succeeded, { state: 'Running', via: 'snapshot' });
    return 'fails for an instance that runs, and succeeds for one that has stopped';
  },
  passes: async () => {
    const started = openScene('Stopped');
    started.change('Running');
    const succeeded = await firstValueFrom(waitForState(started.source, id, 'Running'));
    assert.equal(succeeded.state, 'Running');

    const ended = openScene('Running');
    ended.change('Stopped');
    const failed = await firstValueFrom(waitForState(ended.source, id, 'Running'));
    assert.equal(failed.state, 'Stopped');
    return 'it asks for itself, after it has subscribed';
  },
};
