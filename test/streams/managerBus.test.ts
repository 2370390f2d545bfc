import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import { createManagerBus } from '../../src/streams/lifecycleBus.js';
import type { Listener } from '../../src/streams/listeners.js';
import { hear } from '../support/hear.js';
import { anUpdate } from '../support/lifecycleEvents.js';

const noting = (heard: (number | 'end')[]): Listener<LifecycleEvent> => ({
  next: ({ sequence }) => heard.push(sequence),
  complete: () => heard.push('end'),
});

describe('who hears a bus with nothing in between', () => {
  test('is told the events of its instance from now on, until it leaves, and counted', () => {
    const bus = createManagerBus({});
    const heard: (number | 'end')[] = [];
    const listener = noting(heard);
    const subscribers = (): unknown => bus.stats()['app']?.subscribers;
    bus.publish(anUpdate(1));
    bus.hear('app', 'a', listener);
    bus.publish(anUpdate(2));
    bus.publish(anUpdate(3, { id: 'b' }));
    expect([heard, subscribers()]).toEqual([[2], 1]);
    bus.leave('app', 'a', listener);
    bus.publish(anUpdate(4));
    expect([heard, subscribers()]).toEqual([[2], 0]);
  });

  test('is told the end', () => {
    const bus = createManagerBus({});
    const heard: (number | 'end')[] = [];
    bus.hear('app', 'a', noting(heard));
    bus.publish(anUpdate(1));
    bus.close();
    expect(heard).toEqual([1, 'end']);
  });

  test('is told in its order among those who subscribed', () => {
    const bus = createManagerBus({});
    const heard: string[] = [];
    const note = (name: string) => (): unknown => heard.push(name);
    bus.events('app', { instanceId: 'a' }).subscribe(note('first'));
    bus.hear('app', 'a', { next: note('second'), complete: note('end') });
    bus.events('app', { instanceId: 'a' }).subscribe(note('third'));
    bus.publish(anUpdate(1));
    expect(heard).toEqual(['first', 'second', 'third']);
  });

  test('tells of what was thrown behind it, which is counted, and reported as that of any subscriber', () => {
    const reported: unknown[] = [];
    const bus = createManagerBus({ onThrow: (consumer, error) => reported.push([consumer, error]) });
    const [one, other] = [new Error('one'), new Error('other')];
    bus.threw('app', one);
    bus.events('app').subscribe(() => {
      throw other;
    });
    bus.publish(anUpdate(1));
    expect([reported, bus.stats()['app']]).toMatchObject([
      [
        ['app', one],
        ['app', other],
      ],
      { thrown: 2 },
    ]);
  });

  test('is safe from who throws when that is reported', () => {
    const bus = createManagerBus({
      onThrow: () => {
        throw new Error('of the report');
      },
    });
    const { heard } = hear(bus);
    bus.threw('app', 'one');
    bus.publish(anUpdate(1));
    expect([heard, bus.stats()['app']?.thrown]).toEqual([[1], 1]);
  });
});
