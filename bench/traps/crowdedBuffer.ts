import assert from 'node:assert/strict';
import { waitForState } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { event } from '../events.js';
import { createChannelBus } from '../peers/channelBus.js';
import { hypemanWait } from '../peers/hypemanWait.js';
import { id, openScene } from './scene.js';
import type { Trap } from './trap.js';

/** hypeman's poll, shortened from 5 s. */
const pollMs = 100;
const burst = Array.from({ length: 1_000 }, (_, index) => event(index + 1, `other${String(index)}`));

/** C5: a wait filters everybody's events, and its buffer is full of them when its own comes. */
export const crowdedBuffer: Trap = {
  name: "a wait's buffer is full of events of others",
  peer: 'hypeman, re-told, its poll of 5 s shortened to 0.1 s',
  falls: async () => {
    const bus = createChannelBus();
    const { now, change } = openScene('Initializing');
    const outcome = hypemanWait({ bus, read: now, pollMs }, now(), 'Running');
    for (const other of burst) bus.notify(other);
    bus.notify(change('Running'));
    assert.deepEqual(await outcome, { state: 'Running', via: 'poll' });
    assert.ok(bus.dropped() > 700);
    return `${String(bus.dropped())} of 1,001 events are dropped, the one among them; only its poll finds out`;
  },
  passes: async () => {
    const { bus, source, change } = openScene('Initializing');
    const outcome = firstValueFrom(waitForState(source, id, 'Running'));
    for (const other of burst) bus.publish(other);
    change('Running');
    const { state, via } = await outcome;
    assert.deepEqual([state, via], ['Running', 'event']);
    return 'it hears of its own instance only, and has no buffer to fill';
  },
};
