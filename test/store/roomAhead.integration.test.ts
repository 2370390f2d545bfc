import fc from 'fast-check';
import { open } from 'lmdb';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pagesFor, roomAhead } from '../../src/store/roomAhead.js';

// Disks that others use too.
jest.setTimeout(120_000);

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'room-'));
  path = join(folder, 'data.mdb');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('makes a file longer with what is really there, and touches nothing of what was in it', async () => {
  writeFileSync(path, 'kept');
  const makeRoomTo = roomAhead(path);
  await makeRoomTo(100_000);
  const { size, blocks } = statSync(path);
  expect(size).toBeGreaterThanOrEqual(100_000);
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  await makeRoomTo(size);
  expect(statSync(path).size).toBe(size);

  // Should somebody else have made it longer than was asked for.
  writeFileSync(path, Buffer.alloc(2 * size, 1));
  await makeRoomTo(2 * size + 1);
  const bytes = readFileSync(path);
  expect(bytes.length).toBeGreaterThan(2 * size);
  expect(bytes.subarray(0, 2 * size).every((byte) => byte === 1)).toBe(true);
});

it('is never less than lmdb needs', async () => {
  const write = fc.record({
    key: fc.integer({ min: 0, max: 5_000 }),
    bytes: fc.option(
      fc.oneof(
        fc.integer({ min: 0, max: 600 }),
        fc.integer({ min: 600, max: 5_000 }),
        fc.integer({ min: 5_000, max: 60_000 }),
      ),
    ),
  });
  const few = fc.array(write, { minLength: 1, maxLength: 5 });
  const many = fc.array(write, { minLength: 200, maxLength: 2_000 });
  const alike = fc
    .tuple(
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 0, max: 5_000 }),
      fc.integer({ max: 3_000, min: 0 }),
    )
    .map(([count, first, bytes]) =>
      Array.from({ length: count }, (_, index) => ({ key: first + index, bytes })),
    );
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(few, many, alike), { minLength: 1, maxLength: 12 }),
      async (batches) => {
        runs += 1;
        const database = open<Buffer, Buffer>({
          ...{ path: `${path}-${String(runs)}`, noSubdir: true, encoding: 'binary', keyEncoding: 'binary' },
          ...{ overlappingSync: false, eventTurnBatching: false, noSync: true },
        });
        const stats = () => database.getStats() as { pageSize: number; lastPageNumber: number };
        try {
          for (const batch of batches) {
            const writes = new Map(
              batch.map(({ key, bytes }) => [
                `Instance/${String(key).padStart(16, '0')}`,
                bytes === null ? undefined : Buffer.alloc(bytes, 1),
              ]),
            );
            const { pageSize, lastPageNumber: before } = stats();
            await database.childTransaction(() => {
              for (const [key, bytes] of writes) {
                if (bytes === undefined) void database.remove(Buffer.from(key));
                else void database.put(Buffer.from(key), bytes);
              }
            });
            expect(stats().lastPageNumber - before).toBeLessThanOrEqual(pagesFor(writes, pageSize, before));
          }
        } finally {
          await database.close();
        }
      },
    ),
    { numRuns: 60 },
  );
});
