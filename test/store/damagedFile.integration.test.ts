import fc from 'fast-check';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { done, idOf, wholeLog } from './changes.js';
import { createDataDirs } from './dataDir.js';
import { fileOf, filledDir, seen, whole } from './filledDir.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();

describe('a file that is damaged', () => {
  const { damaged: _, ...intact } = { ...whole, sequence: 200 };
  const refusal = {
    _tag: 'StoreFailed',
    reason: expect.stringMatching(
      /^cannot open the data directory .+: (the database is damaged: .|store\/data\.mdb is missing or holds nothing)/,
    ) as string,
  };

  test('cut anywhere is refused, or goes on with all that was kept', async () => {
    const dataDir = await filledDir(dataDirs, 200);
    const bytes = readFileSync(fileOf(dataDir));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length - 1 }), async (length) => {
        writeFileSync(fileOf(dataDir), bytes);
        truncateSync(fileOf(dataDir), length);
        const outcome = await dataDirs.open(dataDir).then(seen, (error: unknown) => error);
        await dataDirs.closeAll();
        // What lies at the end may be free pages.
        if (!isDeepStrictEqual(outcome, { ...whole, sequence: 200 })) expect(outcome).toMatchObject(refusal);
      }),
      { numRuns: 30, examples: [[4_096], [8_192], [bytes.length - 1], [bytes.length - 4_096]] },
    );
  });

  test('with another byte anywhere is refused, or nothing is lost in silence', async () => {
    const dataDir = await filledDir(dataDirs, 200);
    const bytes = readFileSync(fileOf(dataDir));
    const page = fc.integer({ min: 0, max: bytes.length / 4_096 - 1 });
    // What holds a page together stands at its beginning.
    const place = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 0, max: 4_095 }));
    await fc.assert(
      fc.asyncProperty(page, place, fc.integer({ min: 1, max: 255 }), async (number, offset, bits) => {
        const other = Buffer.from(bytes);
        const at = number * 4_096 + offset;
        other.writeUInt8(other.readUInt8(at) ^ bits, at);
        writeFileSync(fileOf(dataDir), other);
        try {
          const store = await dataDirs.open(dataDir);
          const { damaged, ...all } = await seen(store);
          const log = await wholeLog(store, 0, 100).catch(() => []);
          const isWhole = isDeepStrictEqual({ ...all, log: log.length }, { ...intact, log: 200 });
          if (!isWhole) expect([...damaged, ...dataDirs.damaged()]).not.toStrictEqual([]);
        } catch (error) {
          expect(error).toMatchObject(refusal);
        } finally {
          await dataDirs.closeAll();
        }
      }),
      { numRuns: 60 },
    );
  });

  test('with a key that reaches into its value is refused', async () => {
    const dataDir = await filledDir(dataDirs);
    const bytes = readFileSync(fileOf(dataDir));
    const key = `Instance/${idOf('b')}`;
    for (let at = bytes.indexOf(key); at !== -1; at = bytes.indexOf(key, at + 1)) {
      // Before a key stands its length.
      bytes.writeUInt16LE(key.length + 2, at - 2);
    }
    writeFileSync(fileOf(dataDir), bytes);
    await expect(dataDirs.open(dataDir)).rejects.toMatchObject(refusal);
  });

  test('that was never a database is refused', async () => {
    const dataDir = await filledDir(dataDirs);
    const { size } = statSync(fileOf(dataDir));
    for (const content of ['a', 'x'.repeat(size)]) {
      writeFileSync(fileOf(dataDir), content);
      await expect(dataDirs.open(dataDir)).rejects.toMatchObject(refusal);
    }
  });

  test('goes on beside a lock that holds anything', async () => {
    const dataDir = await filledDir(dataDirs);
    for (const content of [Buffer.alloc(0), Buffer.alloc(1, 1), Buffer.alloc(9_000, 0xff)]) {
      writeFileSync(`${fileOf(dataDir)}-lock`, content);
      const store = await dataDirs.open(dataDir);
      expect(await seen(store)).toStrictEqual(whole);
      await done(store.close());
    }
  });
});
