import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { type InstanceManager, type KeptTable, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';

// Disks that others use too.
jest.setTimeout(120_000);

interface Hook {
  readonly url: string;
  readonly since: Date;
}

/** Written otherwise than it is in a program. */
const hook = new t.Type<Hook, { readonly url: string; readonly since: number }>(
  'a hook',
  (value): value is Hook => typeof value === 'object',
  (value, context) => {
    const { url, since } = value as { readonly url: string; readonly since: number };
    return typeof url === 'string' ? t.success({ url, since: new Date(since) }) : t.failure(value, context);
  },
  ({ url, since }) => ({ url, since: since.getTime() }),
);

const warnings: unknown[] = [];
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields: object, message: string) => void warnings.push({ ...fields, message }),
};

let dataDir: string;
let manager: InstanceManager;
const reopen = async (): Promise<void> => {
  await manager.close();
  manager = await openManager({ drivers: [createMemoryDriver()], dataDir, logger });
};
const done = (work$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined });
const failure = (work$: Observable<unknown>): Promise<unknown> =>
  done(work$).then(
    () => 'none',
    (error: unknown) => error,
  );
const listed = async <A>(table: KeptTable<A>): Promise<unknown> => [...(await firstValueFrom(table.list()))];

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'tables-'));
  manager = await openManager({ drivers: [createMemoryDriver()], dataDir, logger });
});
afterEach(async () => {
  await manager.close();
  rmSync(dataDir, { recursive: true });
  warnings.length = 0;
});

describe('a kept table', () => {
  it('has what its owner put into it, also for the next manager', async () => {
    const hooks = manager.table('webhooks', hook);
    const [one, two] = [
      { url: 'one', since: new Date(1) },
      { url: 'two', since: new Date(2) },
    ];
    await done(hooks.put('b', one));
    await done(hooks.put('a', two));
    await done(hooks.put('c', two));
    await done(hooks.remove('c'));
    await reopen();
    const again = manager.table('webhooks', hook);
    expect(await listed(again)).toEqual([
      ['a', two],
      ['b', one],
    ]);
    expect(await firstValueFrom(again.get('b'))).toEqual(one);
    expect(await firstValueFrom(again.get('c'))).toBeUndefined();
    expect(await listed(manager.table('claims', hook))).toEqual([]);
  });

  it('is a map, over managers too', async () => {
    const key = fc.constantFrom('a', 'b', 'c/d', '~');
    const step = fc.oneof(fc.tuple(key, fc.option(fc.string(), { nil: undefined })), fc.constant('reopen'));
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const model = new Map<string, string>();
        const name = `table_${String((runs += 1))}`;
        for (const each of steps) {
          if (typeof each === 'string') {
            await reopen();
            continue;
          }
          const table = manager.table(name, t.string);
          const [of, value] = each;
          if (value === undefined) model.delete(of);
          else model.set(of, value);
          await done(value === undefined ? table.remove(of) : table.put(of, value));
          expect(await firstValueFrom(table.get(of))).toBe(value);
        }
        const sorted = [...model].toSorted(([one], [other]) => (one < other ? -1 : 1));
        expect(await listed(manager.table(name, t.string))).toStrictEqual(sorted);
      }),
      { numRuns: 15 },
    );
  });

  it('does nothing before it is subscribed to', async () => {
    const table = manager.table('claims', t.string);
    void table.put('a', 'mine');
    expect(await listed(table)).toEqual([]);
  });

  it('sets aside what its codec does not understand, tells that, and has it again for who understands it', async () => {
    await done(manager.table('claims', t.number).put('a', 1));
    await done(manager.table('claims', t.string).put('b', 'mine'));
    const texts = manager.table('claims', t.string);
    expect(await listed(texts)).toEqual([['b', 'mine']]);
    expect(await firstValueFrom(texts.get('a'))).toBeUndefined();
    const faults = [{ path: '', found: '1', expected: 'string' }];
    const told = {
      table: 'claims',
      key: 'a',
      faults,
      message: expect.stringContaining('set aside') as string,
    };
    expect(warnings).toEqual([told]);
    await reopen();
    expect(await firstValueFrom(manager.table('claims', t.number).get('a'))).toBe(1);
    expect(await firstValueFrom(manager.table('claims', t.string).get('a'))).toBeUndefined();
    expect(warnings).toEqual([told, told]);
  });

  it('takes no name, key or value that could not be found again, and says why', async () => {
    for (const name of ['', 'Web', 'a/b', '../x'])
      expect(() => manager.table(name, t.string)).toThrow(/^name: found .*, expected a lower-case letter/);
    expect(() => manager.table('claims', {} as never)).toThrow('codec: found {}, expected a codec');
    const table = manager.table('claims', t.string);
    for (const key of ['', 'a b', 'ä', 'x'.repeat(257), 3 as never]) {
      for (const work$ of [table.get(key), table.put(key, 'mine'), table.remove(key)])
        expect(await failure(work$)).toMatchObject({ _tag: 'InvalidRequest', faults: [{ path: 'key' }] });
    }
    await done(table.put('k'.repeat(256), 'x'.repeat(65_534)));
    expect(await failure(table.put('a', 'x'.repeat(65_535)))).toMatchObject({
      faults: [{ path: 'value', found: '65537 bytes', expected: 'at most 65536 bytes of JSON' }],
    });
    expect(await failure(table.put('a', 3 as never))).toMatchObject({
      faults: [{ path: 'value', found: '3', expected: 'string' }],
    });
    expect(await failure(table.put('a', undefined as never))).toMatchObject({ faults: [{ path: 'value' }] });
    expect(await firstValueFrom(table.list())).toHaveProperty('size', 1);
  });

  it('is closed with its manager', async () => {
    const table = manager.table('claims', t.string);
    await manager.close();
    for (const work$ of [table.get('a'), table.list(), table.put('a', 'mine'), table.remove('a')])
      expect(await failure(work$)).toMatchObject({ _tag: 'ManagerClosed' });
  });
});

it('is there for a controller, under the same names', async () => {
  await manager.close();
  let table: KeptTable<string> | undefined;
  manager = await openManager({
    drivers: [createMemoryDriver()],
    dataDir,
    controllers: [
      {
        name: 'hooks',
        open: (port) => {
          table = port.table('claims', t.string);
          return { decisions$: table.put('a', 'mine') };
        },
      },
    ],
  });
  await done((table as KeptTable<string>).put('b', 'yours'));
  expect(await listed(manager.table('claims', t.string))).toEqual([
    ['a', 'mine'],
    ['b', 'yours'],
  ]);
});
