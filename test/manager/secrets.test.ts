import * as fc from 'fast-check';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { inspect } from 'node:util';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';

const canary = 'Canary4711';

/** All that an error tells to whoever writes it down. */
const toldBy = (error: unknown): string =>
  [
    String(error),
    (error as Error).stack,
    JSON.stringify(error),
    inspect(error, { depth: 20, showHidden: true }),
    inspect((error as Error).cause, { depth: 20 }),
  ].join('\n');

const failure = (verb$: Parameters<typeof lastValueFrom>[0]): Promise<unknown> =>
  lastValueFrom(verb$).then(
    () => 'it did not fail',
    (error: unknown) => error,
  );

/** What holds the secret, in whatever shape somebody careless gives it. */
const holding = fc.letrec<{ readonly value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(canary, `${canary}\0`, `x ${canary}`, `\n${canary}`),
    fc.array(tie('value'), { minLength: 1, maxLength: 3 }),
    fc.dictionary(fc.constantFrom('A', 'a b', `A=${canary}`, '', '__proto__'), tie('value'), { minKeys: 1 }),
    tie('value').map((value) => new Map([['A', value]])),
    tie('value').map((value) => Object.assign(new Error('no'), { value })),
    fc.constant(Symbol(canary)),
    fc.constant({ [`A=${canary}`]: 'x' }),
    fc.constant(Object.assign(() => canary, { canary })),
  ),
})).value;

let manager: InstanceManager;

beforeAll(async () => {
  manager = await openManager({ drivers: [createMemoryDriver(), createProcessDriver()] });
  await firstValueFrom(manager.create({ name: 'web', driver: 'memory', image: 'any' }));
});
afterAll(() => manager.close());

describe('what may be a secret is in no error', () => {
  test('of a request to create or to update, wherever it stands', async () => {
    await fc.assert(
      fc.asyncProperty(
        holding,
        fc.constantFrom('env', 'secrets', 'envs', 'Env', 'environment', 'entrypoint', 'cmd'),
        fc.constantFrom('memory', 'process'),
        async (value, field, driver) => {
          // Not understood for a second reason too, so that none of them is created.
          const request = { name: 'No', driver, image: 'scratch', [field]: value };
          const errors = [
            await failure(manager.create(request)),
            await failure(manager.create([request] as never)),
            await failure(manager.create(JSON.stringify(request) as never)),
            await failure(manager.update('web', { [field]: value, nothing: 1 } as never)),
            await failure(manager.start('web', { [field]: value, nothing: 1 } as never)),
          ];
          for (const error of errors) {
            expect(error).toMatchObject({ _tag: 'InvalidRequest' });
            expect(toldBy(error)).not.toContain(canary);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('of a launch that fails', async () => {
    const env = { A: canary };
    const error = await failure(
      manager.create({ name: 'no', driver: 'process', image: 'scratch', env, cmd: ['/no/such', canary] }),
    );
    expect(error).toMatchObject({ _tag: 'LaunchFailed' });
    expect(toldBy(error)).not.toContain(canary);
  });

  test('but what it is and how long', async () => {
    await expect(failure(manager.update('web', { env: { A: `${canary}\0` } }))).resolves.toMatchObject({
      faults: [
        { path: 'env.A', found: 'a text of 11 characters', expected: 'a text without NUL characters' },
      ],
    });
  });
});

describe('a request that is too large', () => {
  const limit = { path: '', found: 'more than 1048576 bytes', expected: 'at most 1048576 bytes' };
  const deep = {
    path: '',
    found: 'more than 32 levels of nesting',
    expected: 'at most 32 levels of nesting',
  };
  const large = 'x'.repeat(2 ** 20);
  const cyclic: Record<string, unknown> = {};
  cyclic['itself'] = cyclic;

  test.each<[string, () => Parameters<typeof lastValueFrom>[0], object]>([
    ['create', () => manager.create({ name: 'no', image: 'any', env: { A: large } }), limit],
    ['create', () => manager.create({ name: 'no', image: 'any', tags: cyclic as never }), deep],
    ['create', () => manager.create({ name: 'no', image: 'any', more: cyclic } as never), deep],
    ['update', () => manager.update('web', { env: { A: large } }), limit],
    ['update', () => manager.update('web', cyclic), deep],
    ['start', () => manager.start('web', { cmd: [large] }), limit],
    ['fork', () => manager.fork('web', { name: large }), limit],
    ['list', () => manager.list({ tags: { a: large } }), limit],
    ['logs', () => manager.logs('web', { source: large }), limit],
    ['createSnapshot', () => manager.createSnapshot('web', { kind: 'Stopped', tags: { a: large } }), limit],
    ['listSnapshots', () => manager.listSnapshots({ tags: { a: large } }), limit],
  ])('is refused: %s', async (_, verb, fault) => {
    await expect(failure(verb())).resolves.toMatchObject({ _tag: 'InvalidRequest', faults: [fault] });
  });

  test('is refused for the spec that it leads to, and by the limit that is set', async () => {
    const config = { instances: { lifecycleEventBufferSize: 1, maxRequestBytes: 2_048 } };
    const small = await openManager({ drivers: [createMemoryDriver()], config });
    await firstValueFrom(small.create({ name: 'web', image: 'any', env: { A: 'x'.repeat(1_500) } }));
    const tags = { a: 'x'.repeat(250), b: 'x'.repeat(250), c: 'x'.repeat(250) };
    await expect(failure(small.update('web', { tags }))).resolves.toMatchObject({
      faults: [{ path: '', found: 'more than 2048 bytes', expected: 'at most 2048 bytes' }],
    });
    await small.close();
  });
});
