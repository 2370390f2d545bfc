import assert from 'node:assert/strict';
import * as E from 'fp-ts/lib/Either.js';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { filter, map, throwError } from 'rxjs';
import { loadConfig } from '../../src/config/loadConfig.js';
import { describeConfigErrors } from '../../src/config/config.js';
import type { Driver } from '../../src/drivers/driver.js';
import { createMemoryDriver } from '../../src/drivers/memory/memoryDriver.js';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { CreateRequest } from '../../src/instances/instanceRequests.js';
import type { ManagerOptions } from '../../src/manager/options.js';
import type { Attack } from './attack.js';
import { refused, says, tried, value } from './ground.js';

const secret = 'correct-horse-battery-staple';

/** All that can be seen of an error: what a log would hold of it. */
const textOf = (error: Error): string =>
  [
    inspect(error, { depth: 20, showHidden: true, maxStringLength: Infinity, maxArrayLength: Infinity }),
    JSON.stringify(Object.entries(error)),
    error.message,
  ].join('\n');

/** What careless code hands on; it is not what the types say. */
const asRequest = (request: unknown): CreateRequest => request as CreateRequest;

const web = { name: 'web', image: 'scratch', entrypoint: ['sleep', '30'] };

const careless: readonly (readonly [string, unknown])[] = [
  ['a text instead of variables', { ...web, env: secret }],
  ['a list instead of variables', { ...web, env: [`TOKEN=${secret}`] }],
  ['a list of pairs', { ...web, env: [['TOKEN', secret]] }],
  ['a value that is an object', { ...web, env: { TOKEN: { value: secret } } }],
  ['a value that is a list', { ...web, env: { TOKEN: [secret] } }],
  ['a value that holds a NUL', { ...web, env: { TOKEN: `${secret}\0` } }],
  ['a name that holds the value', { ...web, env: { [`TOKEN=${secret}`]: '' } }],
  ['a value beside one that is wrong', { ...web, env: { TOKEN: secret, PORT: 8080 } }],
  ['variables under another name', { ...web, environment: { TOKEN: secret } }],
  ['variables under a name in upper case', { ...web, ENV: { TOKEN: secret } }],
  ['a password beside all else', { ...web, password: secret }],
  ['a request that is a text', `{"env":{"TOKEN":"${secret}"}`],
  ['a request that is a list', [{ ...web, env: { TOKEN: secret } }]],
  ['a name that is wrong', { ...web, name: 'NO NAME', env: { TOKEN: secret } }],
  ['an image that is not there', { ...web, image: '/nowhere', env: { TOKEN: secret } }],
  ['a program that is not there', { ...web, entrypoint: ['/nowhere'], env: { TOKEN: secret } }],
  ['a program that may not be executed', { ...web, entrypoint: ['/etc/passwd'], env: { TOKEN: secret } }],
  ['too much for the kernel', { ...web, env: { TOKEN: secret, LONG: 'x'.repeat(400_000) } }],
];

/** A text of so many levels; built by hand, since JSON's own parser is not what is tried. */
function deep(levels: number, innermost: unknown): unknown {
  let value = innermost;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const cyclic = (): unknown => {
  const all: Record<string, unknown> = {};
  all['itself'] = all;
  return all;
};

const long = 'x'.repeat(64 * 1_048_576);
/** What an application throws itself it may get back. */
class ApplicationThrows extends Error {
  readonly _tag = 'ApplicationThrows';
}
const throws = (): never => {
  throw new ApplicationThrows('an application throws');
};

/** Input that is too much, or has no end. */
const unbounded: readonly (readonly [string, () => unknown])[] = [
  ['a variable of 64 MiB', () => ({ ...web, env: { LONG: long } })],
  ['a name of a variable of 64 MiB', () => ({ ...web, env: { [long]: '' } })],
  ['an argument of 64 MiB', () => ({ ...web, cmd: [long] })],
  ['a name of 64 MiB', () => ({ ...web, name: long })],
  ['an image of 64 MiB', () => ({ ...web, image: `/${long}` })],
  ['a key of 64 MiB', () => ({ ...web, [long]: 1 })],
  ['a pattern of 64 MiB', () => ({ ...web, readiness: { kind: 'log', pattern: long } })],
  [
    'a million variables',
    () => ({
      ...web,
      env: Object.fromEntries(Array.from({ length: 1_000_000 }, (_, index) => [`V${String(index)}`, 'x'])),
    }),
  ],
  ['a million arguments', () => ({ ...web, cmd: Array.from({ length: 1_000_000 }, () => 'x') })],
  ['a list of holes', () => ({ ...web, cmd: Object.assign([], { length: 2 ** 23 }) })],
  [
    'a thousand tags',
    () => ({
      ...web,
      tags: Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`t${String(index)}`, 'x'])),
    }),
  ],
  ['a field of 10,000 levels', () => ({ ...web, more: deep(10_000, 1) })],
  ['variables of 10,000 levels', () => ({ ...web, env: { A: deep(10_000, 1) } })],
  ['a readiness of 10,000 levels', () => ({ ...web, readiness: deep(10_000, 1) })],
  ['a request of 10,000 levels', () => deep(10_000, web)],
  ['a field that holds itself', () => ({ ...web, more: cyclic() })],
  ['variables that hold themselves', () => ({ ...web, env: cyclic() })],
  ['a number that JSON has not', () => ({ ...web, more: 10n })],
  ['a symbol', () => ({ ...web, more: Symbol('more') })],
  [
    'a field that throws',
    () => ({
      ...web,
      get more() {
        return throws();
      },
    }),
  ],
  [
    'variables that throw',
    () => ({
      ...web,
      env: {
        get TOKEN() {
          return throws();
        },
      },
    }),
  ],
  [
    'a field that throws when it is described',
    () => ({ ...web, more: { toJSON: throws, toString: throws, [Symbol.toPrimitive]: throws } }),
  ],
  ['a proxy that throws', () => new Proxy({}, { ownKeys: throws, get: throws, getPrototypeOf: throws })],
  ['nothing', () => undefined],
  ['a function', () => () => web],
];

/** Patterns that an engine which tries one way after another is long at: seconds for each line of so many characters. */
const slow: readonly (readonly [string, string, number])[] = [
  ['two of a kind', 'x*x*y', 60_000],
  ['a group of a group', '^(x+)+$', 28],
  ['alternatives', '^(x|xx)*y$', 36],
  ['counted', '^(x{1,30}){1,30}y', 28],
];

const refusedPatterns = [
  '(?=ready)',
  '(?!x)ready',
  '(?<=x)ready',
  '(?<!x)ready',
  '(r)\\1',
  '(?<name>r)\\k<name>',
  '(',
  'x{2,1}',
];

/** Attacks by an application that hands on careless input. */
export const byApplication: readonly Attack[] = [
  ...careless.map(([what, request]): Attack => ({
    opponent: 'application',
    name: `hands on a secret in ${what}`,
    play: async (ground) => {
      const manager = await ground.open();
      const seen: unknown[] = [];
      manager.events('test').subscribe((event) => seen.push(event));
      const { error, value: made } = await tried(value(manager.create(asRequest(request))));
      assert.ok(error !== undefined || made !== undefined);
      if (error === undefined) return;
      assert.ok(!textOf(error).includes(secret), `the error tells it: ${error.message.slice(0, 500)}`);
      assert.ok(!ground.told.join('\n').includes(secret), 'the logger was told');
      assert.deepEqual(seen, [], 'what was refused was published');
    },
  })),
  {
    opponent: 'application',
    name: 'hands on a secret in an update, overrides or a fork',
    play: async (ground) => {
      const manager = await ground.open();
      await value(manager.create({ ...web, env: { TOKEN: secret } }));
      const attempts: readonly (() => Promise<unknown>)[] = [
        () => value(manager.update('web', { env: secret } as never)),
        () => value(manager.update('web', { env: { TOKEN: [secret] } } as never)),
        () => value(manager.update('web', { TOKEN: secret } as never)),
        () => value(manager.start('web', { env: { TOKEN: secret } } as never)),
        () => value(manager.fork('web', { name: 'copy', env: { TOKEN: secret } })),
        () => value(manager.fork('web', { name: 'NO NAME' })),
        () => value(manager.create({ ...web, env: { TOKEN: secret } })),
        () => value(manager.createSnapshot('web', { kind: 'Stopped', env: { TOKEN: secret } } as never)),
        () => value(manager.update('web', { cmd: ['\0'] })),
        () => value(manager.list({ env: { TOKEN: secret } } as never)),
      ];
      for (const [index, attempt] of attempts.entries()) {
        const { error } = await tried(attempt());
        assert.ok(error !== undefined, `attempt ${String(index)} was not refused`);
        assert.ok(
          !textOf(error).includes(secret),
          `attempt ${String(index)}: ${error.message.slice(0, 500)}`,
        );
      }
      assert.ok(!ground.told.join('\n').includes(secret), 'the logger was told');
    },
  },
  {
    opponent: 'application',
    name: 'has variables of other programs in its environment',
    play: async () => {
      const loaded = await loadConfig(undefined, {
        STORAGE__CONNECTION_STRING: secret,
        METRICS__PORT: secret,
        INSTANCES__TOKEN: secret,
        STORAGE__LOG_MAX_AGE: secret,
      })();
      const text = E.isLeft(loaded) ? describeConfigErrors(loaded.left) + inspect(loaded.left) : '';
      assert.ok(!text.includes(secret), `it is told: ${text.slice(0, 500)}`);
      assert.ok(E.isRight(loaded), `variables of others are faults: ${text.slice(0, 500)}`);
    },
  },
  {
    opponent: 'application',
    name: 'has a configuration that is too long, too deep, or a pipe',
    play: async (ground) => {
      const path = join(ground.folder, 'config.yaml');
      const texts = [
        'x'.repeat(10_000_000),
        `storage: ${'['.repeat(500)}${']'.repeat(500)}`,
        `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`,
        '- '.repeat(500),
        'a: &a [x]\n'.repeat(2_000),
      ];
      for (const text of texts) {
        writeFileSync(path, text);
        const loaded = await loadConfig(path, {})();
        assert.ok(E.isLeft(loaded), 'it was taken');
        assert.ok(describeConfigErrors(loaded.left).length < 65_536, 'what is wrong is told without end');
      }
      for (const other of ['/dev/zero', '/proc/self', ground.folder]) {
        assert.ok(E.isLeft(await loadConfig(other, {})()), `${other} was taken`);
      }
    },
  },
  ...unbounded.map(([what, request]): Attack => ({
    opponent: 'application',
    name: `hands on ${what}`,
    play: async (ground) => {
      const manager = await ground.open();
      const error = await refused(
        value(manager.create(asRequest(request()))),
        'InvalidRequest',
        'ApplicationThrows',
      );
      assert.ok(error.message.length < 16_384, `the message has ${String(error.message.length)} characters`);
      assert.deepEqual(await value(manager.list()), []);
      await value(manager.create(web));
    },
  })),
  {
    opponent: 'application',
    name: 'hands on too much in updates, filters, forks and names',
    play: async (ground) => {
      const manager = await ground.open();
      await value(manager.create(web));
      const attempts: readonly (() => Promise<unknown>)[] = [
        () => value(manager.update('web', { env: { LONG: long } })),
        () => value(manager.update('web', { tags: deep(10_000, 1) } as never)),
        () => value(manager.start('web', { cmd: [long] })),
        () => value(manager.fork('web', { name: long })),
        () => value(manager.fork('web', deep(10_000, 1) as never)),
        () => value(manager.list(deep(10_000, 1) as never)),
        () => value(manager.list({ tags: { [long]: 'x' } })),
        () => value(manager.get(long)),
        () => value(manager.get(deep(10_000, 1) as never)),
        () => value(manager.logs('web', deep(10_000, 1) as never)),
        () => value(manager.logs('web', { source: long })),
        () => value(manager.createSnapshot('web', deep(10_000, 1) as never)),
        () => value(manager.getSnapshot(long)),
        () => manager.close(deep(10_000, 1) as never),
      ];
      for (const [index, attempt] of attempts.entries()) {
        const { error } = await tried(attempt());
        assert.ok(error !== undefined, `attempt ${String(index)} was not refused`);
        const { length } = error.message;
        assert.ok(length < 16_384, `attempt ${String(index)}: the message has ${String(length)} characters`);
      }
    },
  },
  {
    opponent: 'application',
    name: 'opens a manager with options that are too deep, or throw',
    play: async (ground) => {
      const bad: readonly unknown[] = [
        deep(10_000, 1),
        { drivers: deep(10_000, 1) },
        { config: deep(10_000, 1) },
        { dataDir: long },
        { dataDir: '\0' },
        { store: deep(10_000, 1) },
        { [long]: 1 },
      ];
      for (const options of bad) {
        const error = await refused(
          ground.open(options as Partial<ManagerOptions>),
          'InvalidRequest',
          'StoreFailed',
        );
        assert.ok(
          error.message.length < 16_384,
          `the message has ${String(error.message.length)} characters`,
        );
      }
    },
  },
  ...slow.map(([what, pattern, length]): Attack => ({
    opponent: 'application',
    name: `asks for a pattern that takes long to try: ${what}`,
    play: async (ground) => {
      const manager = await ground.open();
      const script = `
          for (let line = 0; line < 20; line += 1) console.log('x'.repeat(${String(length)}) + '!');
          console.log('here');`;
      const readiness = { kind: 'log', pattern } as const;
      const { value: made } = await tried(
        value(manager.create({ ...ground.program('web', script), readiness })),
      );
      if (made === undefined) return;
      await says(manager, 'web', 'here');
      const other = await value(manager.create(web2));
      assert.equal(other.state, 'Running');
      await value(manager.delete('web'));
    },
  })),
  {
    opponent: 'application',
    name: 'asks for patterns that no linear engine has',
    play: async (ground) => {
      const manager = await ground.open();
      for (const pattern of refusedPatterns) {
        const request = { ...web, readiness: { kind: 'log', pattern } as const };
        const error = await refused(value(manager.create(request)), 'InvalidRequest');
        assert.ok(error.message.includes('pattern'), `it does not name the pattern: ${error.message}`);
      }
      // What is usual works.
      const readiness = { kind: 'log', pattern: '^(ready|listening on \\d+)[.!]?$' } as const;
      await value(
        manager.create({ ...ground.program('usual', `console.log('listening on 80');`), readiness }),
      );
      await value(manager.waitForState('usual', 'Running').pipe(filter(({ state }) => state === 'Running')));
    },
  },
  {
    opponent: 'application',
    name: 'changes a tag of a large spec again and again',
    play: async (ground) => {
      const mostBytes = 4 * 1_048_576;
      const config = {
        instances: { lifecycleEventBufferSize: 256 },
        storage: { logMaxBytes: mostBytes },
      } as NonNullable<ManagerOptions['config']>;
      const manager = await ground.open({ config });
      const env = Object.fromEntries(
        Array.from({ length: 10 }, (_, index) => [`V${String(index)}`, 'x'.repeat(20_000)]),
      );
      await value(manager.create({ ...web, env }));
      for (let count = 0; count < 150; count += 1) {
        await value(manager.update('web', { tags: { count: String(count) } }));
      }
      const { size } = statSync(join(ground.dataDir, 'store', 'data.mdb'));
      assert.ok(size < 4 * mostBytes, `the store has ${String(size)} bytes`);
    },
  },
  {
    opponent: 'application',
    name: 'makes two changes at once of which one cannot be kept',
    play: async (ground) => {
      const { driver, breakNext } = unkeepable();
      const drivers = [driver];
      const manager = await ground.open({ drivers });
      breakNext();
      const outcomes = await Promise.all([
        tried(value(manager.create({ name: 'one', image: 'any' }))),
        tried(value(manager.create({ name: 'two', image: 'any' }))),
        tried(value(manager.create({ name: 'three', image: 'any' }))),
      ]);
      assert.ok(
        outcomes.some(({ error }) => error !== undefined),
        'none of them failed',
      );
      const made = outcomes.flatMap(({ value: each }) => (each === undefined ? [] : [each.name])).toSorted();
      await ground.close();
      const next = await ground.open({ drivers });
      assert.deepEqual((await value(next.list())).map(({ name }) => name).toSorted(), made);
    },
  },
  {
    opponent: 'application',
    name: 'throws in every subscriber',
    play: async (ground) => {
      const manager = await ground.open();
      manager.events('one').subscribe(throws);
      manager.consume('two', throws).subscribe();
      manager.watch('three').subscribe(throws);
      manager.measurements$.subscribe(throws);
      await value(manager.create(web));
      await value(manager.stop('web'));
      await value(manager.delete('web'));
    },
  },
  {
    opponent: 'application',
    name: 'goes on while its logger and its driver throw',
    play: async (ground) => {
      const driver: Driver = {
        ...createProcessDriver(),
        logs: () => throwError(() => new Error('x'.repeat(1_000_000))),
      };
      const manager = await ground.open({ drivers: [driver] });
      await value(manager.create(web));
      await value(manager.logs('web')).catch(() => undefined);
      await value(manager.delete('web'));
    },
  },
];

const web2 = { ...web, name: 'web-2' };

/** A driver one of whose handles JSON cannot carry. */
function unkeepable(): { readonly driver: Driver; breakNext(): void } {
  const driver = createMemoryDriver();
  let isBroken = false;
  const broken: Driver = {
    ...driver,
    launch: (plan) => {
      const launch$ = driver.launch(plan);
      if (!isBroken || plan.name !== 'two') return launch$;
      return launch$.pipe(
        map((machine) => ({ ...machine, handle: { ...machine.handle, big: 1n as unknown as number } })),
      );
    },
  };
  return {
    driver: broken,
    breakNext: () => {
      isBroken = true;
    },
  };
}
