import { setImmediate as turn } from 'node:timers/promises';
import { of } from 'rxjs';
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
    bus.addListener('app', 'a', listener);
    bus.publish(anUpdate(2));
    bus.publish(anUpdate(3, { id: 'b' }));
    expect([heard, subscribers()]).toEqual([[2], 1]);
    bus.removeListener('app', 'a', listener);
    bus.publish(anUpdate(4));
    expect([heard, subscribers()]).toEqual([[2], 0]);
  });

  test('is told the end', () => {
    const bus = createManagerBus({});
    const heard: (number | 'end')[] = [];
    bus.addListener('app', 'a', noting(heard));
    bus.publish(anUpdate(1));
    bus.close();
    expect(heard).toEqual([1, 'end']);
  });

  test('is told in its order among those who subscribed', () => {
    const bus = createManagerBus({});
    const heard: string[] = [];
    const note = (name: string) => (): unknown => heard.push(name);
    bus.events('app', { instanceId: 'a' }).subscribe(note('first'));
    bus.addListener('app', 'a', { next: note('second'), complete: note('end') });
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

describe('a bus that will close', () => {
  const view$ = of({ epoch: 'e', sequence: 0, instances: [] });

  test('tells those who watch once, after the table and before all that is still to be told', async () => {
    const bus = createManagerBus({});
    const told: string[] = [];
    const watch = (): void => {
      bus
        .watch('app', () => view$)
        .subscribe({
          next: (change) =>
            told.push('event' in change ? `event ${String(change.event.sequence)}` : change.kind),
          complete: () => told.push('end'),
        });
    };
    watch();
    bus.publish(anUpdate(1));
    bus.closing();
    bus.publish(anUpdate(2));
    await turn();
    expect(told.splice(0)).toEqual(['snapshot', 'closing', 'event 1', 'event 2']);
    watch();
    bus.close();
    await turn();
    expect(told).toEqual(['snapshot', 'closing', 'end', 'end']);
  });

  test('tells it to whoever asks, at once and later, and reports whoever throws there', () => {
    const reported: unknown[] = [];
    const bus = createManagerBus({ onThrow: (consumer, error) => reported.push([consumer, error]) });
    const error = new Error('mine');
    const told: string[] = [];
    const ask = (name: string): void => {
      bus.closing$.subscribe({ next: () => told.push(name), complete: () => told.push(`${name} done`) });
    };
    ask('first');
    bus.closing$.subscribe(() => {
      throw error;
    });
    expect(told).toEqual([]);
    bus.closing();
    ask('second');
    expect(told).toEqual(['first', 'first done', 'second', 'second done']);
    expect(reported).toEqual([['closing$', error]]);
  });
});
