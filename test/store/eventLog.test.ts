import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import { createEventLog } from '../../src/store/eventLog.js';
import { createGroupCommit } from '../../src/store/groupCommit.js';
import { emptySpan, type Retention } from '../../src/store/logSpan.js';
import type { DamagedRecord } from '../../src/store/store.js';
import * as tables from '../../src/store/tables.js';
import { updated } from './changes.js';
import { createMapDatabase } from './mapDatabase.js';

const keyOf = (sequence: number): string => tables.events.keyOf(tables.placeName(sequence));

function createLog(retention: Partial<Retention> = {}) {
  const database = createMapDatabase();
  const group = createGroupCommit(database, { ...emptySpan, recordCounts: new Map() });
  const damaged: DamagedRecord[] = [];
  const clock = { now: 0 };
  const log = createEventLog(
    database,
    group,
    { epoch: 'e', origin: 'here' },
    {
      retention: { maxEvents: 100, maxAgeMs: 100, maxBytes: 1e9, ...retention },
      now: () => clock.now,
      onDamaged: (record) => damaged.push(record),
    },
  );
  const commit = (): Promise<LifecycleEvent> =>
    lastValueFrom(group.run((transaction) => log.append(transaction, updated('a', 1))));
  const sequencesAfter = async (sequence: number): Promise<readonly number[]> => {
    const { events } = await firstValueFrom(log.read({ epoch: 'e', sequence }, 100));
    return events.map((event) => event.sequence);
  };
  return { database, group, damaged, clock, commit, sequencesAfter };
}

describe('the log of events', () => {
  test('does not look up its oldest event again while that is young enough', async () => {
    const { database, commit, group } = createLog({ maxEvents: 10 });
    for (let count = 0; count < 50; count += 1) await commit();
    expect(group.state()).toMatchObject({ oldest: 41, sequence: 50 });
    // Nor those after it, which are younger; and how much they take only when they go.
    const gone = Array.from({ length: 40 }, (_, index) => keyOf(index + 1));
    expect(database.looks).toEqual([keyOf(1), ...gone]);
  });

  test('loses what is too old, though a write that would have taken it away has failed', async () => {
    const { database, clock, commit, group } = createLog();
    for (let count = 0; count < 3; count += 1) await commit();
    clock.now = 90;
    await commit();
    clock.now = 150;
    database.onWrite = () => Promise.reject(new Error('disk'));
    await expect(commit()).rejects.toThrow('disk');
    expect(group.state()).toMatchObject({ oldest: 1, sequence: 4 });
    database.onWrite = () => undefined;
    await commit();
    expect(group.state()).toMatchObject({ oldest: 4, sequence: 5 });
  });

  test('knows how much its events take, whatever goes and whatever fails', async () => {
    const { database, commit, group } = createLog({ maxBytes: 1_500 });
    const held = (): number =>
      [...database.records].reduce(
        (sum, [key, bytes]) => (key.startsWith('event/') ? sum + bytes.length : sum),
        0,
      );
    for (let count = 0; count < 30; count += 1) {
      database.onWrite = () => (count % 3 === 0 ? Promise.reject(new Error('disk')) : undefined);
      await commit().catch(() => undefined);
      expect(group.state().bytes).toBe(held());
    }
    expect(group.state().oldest).toBeGreaterThan(10);
    expect(held()).toBeLessThanOrEqual(1_500);
    expect(held()).toBeGreaterThan(1_000);
  });

  test('cuts nothing off for a look that came too early for an event', async () => {
    const { database, damaged, commit, sequencesAfter } = createLog();
    for (let count = 0; count < 3; count += 1) await commit();
    const { range } = database;
    database.range = (from, to, limit) => {
      database.range = range;
      return range(from, to, limit).slice(0, -1);
    };
    expect(await sequencesAfter(0)).toEqual([1, 2, 3]);
    expect(damaged).toEqual([]);
  });
});
