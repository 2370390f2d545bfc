import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import type { CausedChange, LifecycleEvent } from '../../src/lifecycle/event.js';
import { checkDatabase } from '../../src/store/checkDatabase.js';
import { type Database, openDatabase } from '../../src/store/database.js';
import { createEventLog, type EventLog } from '../../src/store/eventLog.js';
import { findRecords } from '../../src/store/findRecords.js';
import { createGroupCommit, type GroupCommit } from '../../src/store/groupCommit.js';
import { emptySpan, type StoreState } from '../../src/store/logSpan.js';
import { scan } from '../../src/store/scan.js';
import { events, specs, specUses } from '../../src/store/tables.js';
import { anInstance } from '../support/lifecycleEvents.js';
import { created, deletedWithLast, defaults, updated } from './changes.js';

// Disks that others use too.
jest.setTimeout(120_000);

let folder: string;
let database: Database;
let group: GroupCommit<StoreState>;
let damaged: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'log-'));
  database = await openDatabase(join(folder, 'data.mdb'));
  group = createGroupCommit(database, { ...emptySpan, recordCounts: new Map() });
  damaged = 0;
});
afterEach(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

const logOf = (maxEvents: number): EventLog =>
  createEventLog(
    database,
    group,
    { epoch: 'e', origin: '' },
    {
      ...defaults,
      retention: { ...defaults.retention, maxEvents },
      onDamaged: () => (damaged += 1),
    },
  );

const append = (log: EventLog, change: CausedChange): Promise<LifecycleEvent> =>
  firstValueFrom(group.run((transaction) => log.append(transaction, change)));

const read = async (log: EventLog): Promise<readonly LifecycleEvent[]> =>
  (await firstValueFrom(log.read({ epoch: 'e', sequence: group.state().oldest - 1 }, 1_000))).events;

const bytesIn = (...tables: readonly { readonly prefix: string; readonly end: string }[]): number =>
  tables
    .flatMap(({ prefix, end }) => [...scan(database, prefix, end)])
    .reduce((sum, { bytes }) => sum + bytes.length, 0);

/** The change with a spec of so many characters. */
const withSpec = (change: CausedChange, length: number): CausedChange => {
  const spec = { ...anInstance().spec, env: { TEXT: 'x'.repeat(length) } };
  const { instance, last } = change;
  return {
    ...change,
    ...(instance && { instance: { ...instance, spec } }),
    ...(last && { last: { ...last, spec } }),
  } as CausedChange;
};

it('updates beside a large spec keep it once, and each event has it again', async () => {
  const log = logOf(1_000);
  const told: LifecycleEvent[] = [await append(log, withSpec(created('a'), 100_000))];
  const { instance } = told[0] as { readonly instance: NonNullable<LifecycleEvent['instance']> };
  for (let revision = 2; revision <= 100; revision += 1) {
    const change = { ...updated('a', revision), instance: { ...instance, revision } } as CausedChange;
    told.push(await append(log, change));
  }
  told.push(await append(log, withSpec(deletedWithLast('a'), 100_000)));
  expect(await read(log)).toEqual(told);
  expect(bytesIn(events, specs)).toBeLessThan(200_000);
  expect(group.state().bytes).toBe(bytesIn(events, specs));
  // As whoever opens the store counts it.
  expect(checkDatabase(join(folder, 'data.mdb'))?.logBytes).toBe(group.state().bytes);
});

it('a spec is kept as long as an event has it, and the log counts its bytes', async () => {
  const kind = fc.constantFrom(created('a'), updated('a', 2), updated('b', 3), deletedWithLast('b'));
  const change = fc.tuple(kind, fc.constantFrom(1, 2_000, 3_000)).map(([of, length]) => withSpec(of, length));
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 20 }),
      fc.integer({ min: 1, max: 5 }),
      async (all, most) => {
        const log = logOf(most);
        const told: LifecycleEvent[] = [];
        for (const each of all) told.push(await append(log, each));
        const kept = await read(log);
        // Those of the runs before are in the log too.
        expect(kept.slice(-told.length || Infinity)).toEqual(told.slice(-kept.length));
        expect(bytesIn(events, specs)).toBe(group.state().bytes);
        const large = kept.flatMap(({ instance, last }) => {
          const text = (instance ?? last)?.spec.env['TEXT'] ?? '';
          return text.length > 1_000 ? [text.length] : [];
        });
        const rows = [specs, specUses].map(({ prefix, end }) => [...scan(database, prefix, end)].length);
        expect(rows).toEqual([new Set(large).size, new Set(large).size]);
      },
    ),
    { numRuns: 30 },
  );
  expect(damaged).toBe(0);
});

it('an event whose spec is gone is damaged: the log begins after it', async () => {
  const log = logOf(1_000);
  await append(log, withSpec(created('a'), 2_000));
  const last = await append(log, updated('b', 2));
  const [row] = scan(database, specs.prefix, specs.end);
  await firstValueFrom(
    group.run((transaction) => {
      transaction.remove(row?.key ?? '');
    }),
  );
  await expect(firstValueFrom(log.read({ epoch: 'e', sequence: 0 }, 10))).rejects.toMatchObject({
    _tag: 'CursorExpired',
  });
  expect(damaged).toBe(1);
  expect(await read(log)).toEqual([last]);
});

it('specs that events share are not read when a store is opened, however many they are', async () => {
  const log = logOf(1_000);
  await append(log, withSpec(created('a'), 2_000));
  const ranges: (readonly [from: string, below: string])[] = [];
  const watched: Database = {
    ...database,
    range: (from, below, limit) => {
      ranges.push([from, below]);
      return database.range(from, below, limit);
    },
  };
  expect(findRecords(watched).damaged).toEqual([]);
  const [spec] = scan(database, specs.prefix, specs.end);
  const reads = ranges.filter(([from, below]) => from <= (spec?.key ?? '') && (spec?.key ?? '') < below);
  expect(reads).toEqual([]);
});
