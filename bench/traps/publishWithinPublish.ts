import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createLifecycleBus } from 'rx-instances';
import { Subject } from 'rxjs';
import { event } from '../events.js';
import type { Trap } from './trap.js';

/** Lets the first subscriber publish the next number whenever it is told one below 3; gives what the second was told. */
function told(
  publish: (n: number) => void,
  subscribe: (hear: (n: number) => void) => void,
): readonly number[] {
  const second: number[] = [];
  subscribe((n) => {
    if (n < 3) publish(n + 1);
  });
  subscribe((n) => second.push(n));
  publish(1);
  return second;
}

/** C6: a subscriber publishes while it is being told. */
export const publishWithinPublish: Trap = {
  name: 'a publish within a publish turns the order round',
  peer: 'a Subject, and an EventEmitter',
  falls: () => {
    const subject$ = new Subject<number>();
    const bySubject = told(
      (n) => {
        subject$.next(n);
      },
      (hear) => subject$.subscribe(hear),
    );
    const emitter = new EventEmitter();
    const byEmitter = told(
      (n) => emitter.emit('n', n),
      (hear) => emitter.on('n', hear),
    );
    assert.deepEqual(
      [bySubject, byEmitter],
      [
        [3, 2, 1],
        [3, 2, 1],
      ],
    );
    return 'the second subscriber is told 3, 2, 1';
  },
  passes: () => {
    const bus = createLifecycleBus();
    const byBus = told(
      (n) => {
        bus.publish(event(n, 'any'));
      },
      (hear) =>
        bus.events('trap').subscribe(({ sequence }) => {
          hear(sequence);
        }),
    );
    assert.deepEqual(byBus, [1, 2, 3]);
    return 'the second subscriber is told 1, 2, 3';
  },
};
