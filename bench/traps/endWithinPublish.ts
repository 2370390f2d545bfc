import assert from 'node:assert/strict';
import { createLifecycleBus } from 'rx-instances';
import { Subject } from 'rxjs';
import { event } from '../events.js';
import type { Trap } from './trap.js';

/** C7: a subscriber ends the stream while a value is being told. */
export const endWithinPublish: Trap = {
  name: 'an end within a publish eats the value',
  peer: 'a Subject',
  falls: () => {
    const subject$ = new Subject<number>();
    const second: unknown[] = [];
    subject$.subscribe(() => {
      subject$.complete();
    });
    subject$.subscribe({ next: (n) => second.push(n), complete: () => second.push('end') });
    subject$.next(1);
    assert.deepEqual(second, ['end']);
    return 'the second subscriber is told of the end, and never of the value';
  },
  passes: () => {
    const bus = createLifecycleBus();
    const second: unknown[] = [];
    bus.events('trap').subscribe(bus.close);
    bus.events('trap').subscribe({
      next: ({ sequence }) => second.push(sequence),
      complete: () => second.push('end'),
    });
    bus.publish(event(1, 'any'));
    assert.deepEqual(second, [1, 'end']);
    return 'the second subscriber is told of the value, then of the end';
  },
};
