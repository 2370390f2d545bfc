import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createLifecycleBus } from 'rx-instances';
import { lastValueFrom, timer } from 'rxjs';
import { event } from '../events.js';
import type { Trap } from './trap.js';

const program = `
  const { Subject } = require('rxjs');
  const subject$ = new Subject();
  subject$.subscribe(() => { throw new Error('thrown by a subscriber'); });
  subject$.next(1);
  setTimeout(() => process.exit(0), 1000);`;

/** C8: a subscriber throws. */
export const throwingSubscriber: Trap = {
  name: 'a subscriber that throws',
  peer: 'a Subject, and an EventEmitter',
  falls: async () => {
    const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore' });
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 1);

    const emitter = new EventEmitter();
    const second: number[] = [];
    emitter.on('n', () => {
      throw new Error('thrown by a listener');
    });
    emitter.on('n', (n: number) => second.push(n));
    assert.throws(() => emitter.emit('n', 1), /thrown by a listener/);
    assert.deepEqual(second, []);
    return 'the Subject ends the process; the emitter skips the second listener and throws at who emits';
  },
  passes: async () => {
    const bus = createLifecycleBus();
    const second: number[] = [];
    bus.events('thrower').subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
    bus.events('trap').subscribe(({ sequence }) => second.push(sequence));
    bus.publish(event(1, 'any'));
    bus.publish(event(2, 'any'));
    // RxJS would throw in a turn to come, and end this process.
    await lastValueFrom(timer(20));
    assert.deepEqual(second, [1, 2]);
    const { subscribers, thrown } = bus.stats()['thrower'] ?? {};
    assert.deepEqual([subscribers, thrown], [0, 1]);
    return 'it alone is unsubscribed and counted; the second subscriber is told everything';
  },
};
