import assert from 'node:assert/strict';
import { openManager } from 'rx-instances';
import { firstValueFrom, lastValueFrom, take, tap } from 'rxjs';
import { jsonOf, openBare } from '../harness/bareDatabase.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { idleDriver } from '../harness/idleDriver.js';
import { keepsAll, longLog } from '../harness/longLog.js';

const rows = [10_000, 1_000_000];
/** How many a sample takes at most. */
const most = 100_000;
/** As many as a manager reads at a time. */
const page = 1_000;

/** Reads so many events after a place, and tells the sequence of each. */
type Read = (after: number, count: number, heard: (sequence: number) => void) => Promise<void> | void;

/** A sample is a part of the log, another one each time. */
function stage(row: Row, read: Read, close: () => Promise<void>): Session {
  const count = Math.min(Number(row), most);
  let samples = 0;
  return {
    check: async () => {
      const some = 5 * page;
      for (const after of [0, Number(row) - some]) {
        let last = after;
        await read(after, some, (sequence) => {
          assert.equal(sequence, (last += 1), 'they come in their order, without gap or double');
        });
        assert.equal(last, after + some, 'all of them come');
      }
    },
    sample: async () => {
      const after = (samples * 3 * count) % Number(row);
      samples += 1;
      const startedAt = performance.now();
      await read(after, count, () => undefined);
      return ((performance.now() - startedAt) / count) * 1e6;
    },
    close,
  };
}

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const dataDir = await longLog(Number(row));
    const manager = await openManager({ dataDir, drivers: [idleDriver], config: keepsAll });
    const change = await firstValueFrom(manager.watch('bench'));
    assert.ok(change.kind === 'snapshot' && change.cursor.sequence === row, 'the log is as it was made');
    const { epoch } = change.cursor;
    return stage(
      row,
      async (sequence, count, heard) => {
        const events$ = manager.events('bench', { after: { epoch, sequence } });
        await lastValueFrom(
          events$.pipe(
            take(count),
            tap((event) => {
              heard(event.sequence);
            }),
          ),
        );
      },
      () => manager.close(),
    );
  },
};

const keyOf = (sequence: number): Buffer => Buffer.from(`event/${String(sequence).padStart(16, '0')}`);

/** The pages that a manager reads too, and of each record what `sequenceIn` makes of it. */
const bare = (name: string, sequenceIn: (key: Buffer, value: Buffer) => number): Contender => ({
  name,
  open: async (row) => {
    const database = openBare(await longLog(Number(row)), true);
    return stage(
      row,
      (after, count, heard) => {
        for (let first = after + 1; first <= after + count; first += page) {
          const limit = Math.min(page, after + count + 1 - first);
          const records = [...database.getRange({ start: keyOf(first), end: keyOf(first + limit), limit })];
          for (const { key, value } of records) heard(sequenceIn(key, value));
        }
      },
      () => database.close(),
    );
  },
});

const pages = bare('lmdb alone', (key) => Number(key.toString('latin1', key.length - 16)));

interface Parsed {
  readonly instance: { readonly revision: number };
}

const parsed = bare(
  'lmdb and JSON.parse',
  (_, value) => (JSON.parse(jsonOf(value)) as Parsed).instance.revision,
);

/** What it costs to be told what the log has. */
export const replay: Bench = {
  name: 'replay',
  title: 'Read events from the log',
  unit: 'ns',
  rowsAre: 'events in the log',
  rows,
  rounds: 5,
  contenders: [ours, pages, parsed],
  goals: [
    ...rows.map((row) => ({
      what: `of ${row.toLocaleString('en')}, beside lmdb and JSON.parse`,
      of: { contender: ours.name, row },
      by: { contender: parsed.name, row },
      atMost: 4,
    })),
    {
      what: 'of 1,000,000: at least 50,000 a second',
      of: { contender: ours.name, row: 1_000_000 },
      atMost: 1e9 / 50_000,
    },
  ],
  about:
    'One event of `events(consumer, { after })` over a data directory, with its checksum, decoded, frozen and told. A sample is 100,000 of them at most, another part of the log each time. lmdb alone reads the same pages and decodes nothing.',
};
