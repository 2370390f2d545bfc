import fc from 'fast-check';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defer, EMPTY, firstValueFrom, lastValueFrom, type Observable, take, toArray } from 'rxjs';
import {
  createProcessDriver,
  type Driver,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
} from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { processesOf } from '../support/processes.js';
import { thrownBy } from '../support/thrownBy.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bad-input-')));
writeFileSync(join(folder, 'file'), '');
symlinkSync(join(folder, 'other'), join(folder, 'loop'));
symlinkSync(join(folder, 'loop'), join(folder, 'other'));
mkdirSync(join(folder, 'image'));
writeFileSync(join(folder, 'image', 'plain'), 'no program', { mode: 0o644 });
writeFileSync(join(folder, 'image', 'script'), '#!/no/such/interpreter\n', { mode: 0o755 });

let manager: InstanceManager;
let healthy: Instance;
let homes: Set<string>;
let tried: Set<string>;
let events: LifecycleEvent[];

beforeAll(async () => {
  homes = new Set();
  tried = new Set();
  const processes = createProcessDriver({ pollMs: 5 });
  const driver: Driver = {
    ...processes,
    prepare: (plan) => {
      homes.add(plan.home);
      tried.add(plan.instanceId);
      return processes.prepare(plan);
    },
  };
  manager = await openManager({ drivers: [driver] });
  healthy = await firstValueFrom(
    manager.create({ name: 'healthy', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
});

// Whatever was tried: there is one instance, one home and one process, as before.
afterEach(async () => {
  expect(events).toEqual([]);
  await expect(firstValueFrom(manager.list())).resolves.toEqual([healthy]);
  for (const home of homes) expect(readdirSync(dirname(home))).toEqual([healthy.id]);
  expect([...tried].flatMap(processesOf)).toEqual([healthy.handle?.pid]);
});

afterAll(async () => {
  await manager.close();
  rmSync(folder, { recursive: true });
});

const sleeping = { name: 'new', image: 'scratch', entrypoint: ['sleep', '600'] };

/** What a verb fails with. */
const failure = (verb$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(verb$.pipe(toArray())).then(
    (values) => {
      throw new Error(`it did not fail, but gave ${JSON.stringify(values)}`);
    },
    (error: unknown) => error,
  );

/** Faults as lines: path, value found, what was expected. */
const linesOf = (error: unknown): readonly string[] => {
  expect(error).toMatchObject({ _tag: 'InvalidRequest', name: 'InvalidRequest' });
  const { faults } = error as { readonly faults: readonly Record<'path' | 'found' | 'expected', string>[] };
  return faults.map(({ path, found, expected }) => `${path} | ${found} | ${expected}`);
};

const nameRule = 'a name (1 to 63 lower-case letters, digits and inner hyphens, no id)';
const keysOfProcess =
  'entrypoint, cmd, cwd, readiness, ports, memoryMiB, cpus, pids, openFiles, user, stopSignal, output, stopGraceMs';

describe('create refuses', () => {
  it.each<[string, object, readonly string[]]>([
    [
      'an unknown key',
      { memory: '1GB' },
      [
        `memory | a text of 3 characters | another key; known are name, image, driver, env, secrets, tags, runTimeoutMs, autoStandby, restartPolicy, healthCheck, expiresAt, ttlMs, ${keysOfProcess}`,
      ],
    ],
    ['a wrong type', { cmd: 'now' }, ['cmd | a text of 3 characters | arguments (an array of texts)']],
    [
      'no program',
      { entrypoint: [] },
      ['entrypoint | [] | a program, as the first text of entrypoint or, without one, of cmd'],
    ],
    [
      'a size out of range',
      { stopGraceMs: 1e12 },
      ['stopGraceMs | 1000000000000 | milliseconds (a whole number from 0 to 2147483647)'],
    ],
    [
      'a port out of range',
      { readiness: { kind: 'tcp', port: 65_536 } },
      ['readiness.port | 65536 | TCP port (a whole number from 1 to 65535)'],
    ],
    ['control characters in a name', { name: 'a\u001b[2J' }, [`name | 'a\\x1B[2J' | ${nameRule}`]],
    ['a name that leads elsewhere', { name: '../../etc' }, [`name | '../../etc' | ${nameRule}`]],
    [
      'an image with control characters',
      { image: '/srv/\n' },
      ["image | '/srv/\\n' | an image (1 to 4096 characters, no control characters)"],
    ],
    [
      'a NUL in what the kernel gets',
      { entrypoint: ['sleep', '6\0'], env: { A: '\0' } },
      [
        'env.A | a text of 1 character | a text without NUL characters',
        'entrypoint[1] | a text of 2 characters | a text without NUL characters',
      ],
    ],
    ['a driver that there is not', { driver: 'qemu' }, ["driver | 'qemu' | one of process"]],
  ])('%s', async (_, fields, expected) => {
    const request = { ...sleeping, ...fields };
    const before = tried.size;
    expect(linesOf(await failure(manager.create(request)))).toEqual(expected);
    expect(tried.size).toBe(before);
  });

  it('a name that is taken', async () => {
    await expect(failure(manager.create({ ...sleeping, name: 'healthy' }))).resolves.toMatchObject({
      _tag: 'NameTaken',
      message: 'the name "healthy" is taken',
    });
  });
});

describe('create fails and leaves nothing', () => {
  it.each<[string, object, string, object]>([
    [
      'for a program that is not there',
      { entrypoint: ['/no/such/program'] },
      'there is no program "/no/such/program"',
      { code: 'ENOENT' },
    ],
    [
      'for one that is nowhere in PATH',
      // A folder of ours may be one that this user may not enter.
      { entrypoint: ['no-such-program'], env: { PATH: '/usr/bin:/bin' } },
      'there is no program "no-such-program"',
      { code: 'ENOENT' },
    ],
    [
      'for one that may not be executed',
      { image: join(folder, 'image'), entrypoint: ['./plain'] },
      '"./plain" may not be executed',
      { code: 'EACCES' },
    ],
    [
      'for a script whose interpreter is missing',
      { image: join(folder, 'image'), entrypoint: ['./script'] },
      'the program "./script" names in its first line',
      { code: 'ENOENT' },
    ],
    ['for arguments that are too long', { cmd: ['x'.repeat(1_000_000)] }, 'spawn E2BIG', { code: 'E2BIG' }],
    [
      'for an image that is missing',
      { image: join(folder, 'none') },
      `there is no image ${folder}/none`,
      { code: 'ENOENT' },
    ],
    [
      'for an image that is a file',
      { image: join(folder, 'file') },
      `the image ${folder}/file is no directory`,
      { code: 'ENOTDIR' },
    ],
    [
      'for an image that is a loop of links',
      { image: join(folder, 'loop') },
      `the image ${folder}/loop is a loop of links`,
      { code: 'ELOOP' },
    ],
    [
      'for an image by a relative path',
      { image: '../image' },
      'the image "../image" is neither "scratch" nor an absolute path',
      { _tag: 'InvalidRequest', faults: [{ path: 'image' }] },
    ],
    [
      'for an image that holds the homes',
      { image: realpathSync(tmpdir()) },
      'and the home of the instance lie in each other',
      { _tag: 'InvalidRequest', faults: [{ path: 'image' }] },
    ],
    [
      'for an image that holds all',
      { image: '/' },
      'and the home of the instance lie in each other',
      { _tag: 'InvalidRequest', faults: [{ path: 'image' }] },
    ],
  ])('%s, as LaunchFailed with its cause', async (_, fields, reason, cause) => {
    const error = await failure(manager.create({ ...sleeping, ...fields }));
    expect(error).toMatchObject({
      _tag: 'LaunchFailed',
      message: expect.stringContaining(reason) as string,
      reason: expect.stringContaining(reason) as string,
      cause,
    });
    // The name is free again: it fails for the same reason, not for that.
    await expect(failure(manager.create({ ...sleeping, ...fields }))).resolves.toMatchObject({ cause });
  });
});

describe('the other verbs', () => {
  const verbs = [
    'start',
    'stop',
    'standby',
    'restore',
    'restart',
    'delete',
    'refresh',
    'get',
    'logs',
  ] as const;

  it.each(verbs)('%s refuses an id that does not exist, and what is none', async (verb) => {
    for (const id of [
      'nobody',
      '',
      '../healthy',
      'healthy/',
      '\0',
      'z'.repeat(10_000),
      '__proto__',
      'constructor',
    ]) {
      await expect(failure(manager[verb](id))).resolves.toMatchObject({
        _tag: 'InstanceNotFound',
        idOrName: id,
      });
    }
    for (const id of [undefined, null, 7, {}, ['healthy']]) {
      const lines = linesOf(await failure(manager[verb](id as string)));
      expect(lines).toEqual([expect.stringMatching(/^idOrName \| .+ \| an id or a name$/)]);
    }
  });

  it.each<[string, (id: string) => Observable<unknown>]>([
    ['update', (id) => manager.update(id, { tags: {} })],
    ['fork', (id) => manager.fork(id, { name: 'two' })],
    ['waitForState', (id) => manager.waitForState(id, 'Running')],
  ])('%s refuses an id that does not exist', async (_, verb) => {
    await expect(failure(verb('nobody'))).resolves.toMatchObject({ _tag: 'InstanceNotFound' });
  });

  it.each<[string, () => Observable<unknown>, readonly string[]]>([
    ['update with nothing', () => manager.update('healthy', {}), [' | {} | at least one field to change']],
    [
      'update of what stays',
      () => manager.update('healthy', { image: '/x' } as object),
      [
        `image | a text of 2 characters | another key; known are env, secrets, tags, runTimeoutMs, autoStandby, restartPolicy, healthCheck, expiresAt, ttlMs, ${keysOfProcess}`,
      ],
    ],
    [
      'update that takes the program away',
      () => manager.update('healthy', { entrypoint: [], cmd: [] }),
      ['entrypoint | [] | a program, as the first text of entrypoint or, without one, of cmd'],
    ],
    [
      'start with what is no override',
      () => manager.start('healthy', { env: {} } as object),
      ['env | {} | another key; known are entrypoint, cmd'],
    ],
    [
      'fork under a name that leads elsewhere',
      () => manager.fork('healthy', { name: '../x', fromRunning: true }),
      [`name | '../x' | ${nameRule}`],
    ],
    [
      'fork to a state that is none',
      () => manager.fork('healthy', { name: 'two', targetState: 'Paused' as never }),
      ["targetState | 'Paused' | one of Stopped, Standby, Running"],
    ],
    [
      'list by a state that is none',
      () => manager.list({ state: 'running' as never }),
      [
        "state | 'running' | one of Created, Initializing, Running, Paused, Shutdown, Stopped, Standby, Unknown",
      ],
    ],
    [
      'logs of fewer lines than none',
      () => manager.logs('healthy', { tail: -1 }),
      ['tail | -1 | lines (a whole number from 0 to 1000000)'],
    ],
    [
      'waitForState for none',
      () => manager.waitForState('healthy', 'Ready' as never),
      ["target | 'Ready' | one of Created, Initializing, Running, Paused, Shutdown, Stopped, Standby"],
    ],
    [
      'waitForState for more than 5 minutes',
      () => manager.waitForState('healthy', 'Stopped', { timeoutMs: 300_001 }),
      [
        'timeoutMs | 300001 | milliseconds, at most instances.max_wait_timeout (a whole number from 0 to 300000)',
      ],
    ],
    [
      'waitForState without end',
      () => manager.waitForState('healthy', 'Stopped', { timeoutMs: Infinity }),
      [
        'timeoutMs | Infinity | milliseconds, at most instances.max_wait_timeout (a whole number from 0 to 300000)',
      ],
    ],
  ])('refuse %s', async (_, verb, expected) => {
    expect(linesOf(await failure(verb()))).toEqual(expected);
  });

  it('refuse a log that is not kept', async () => {
    await expect(failure(manager.logs('healthy', { source: '../../passwd' }))).resolves.toMatchObject({
      _tag: 'LogNotFound',
      message: 'there is no log "../../passwd"; there is app',
    });
  });

  it('refuse a change to what runs: start of it with another program', async () => {
    await expect(failure(manager.start('healthy', { cmd: ['1'] }))).resolves.toMatchObject({
      _tag: 'InvalidState',
      state: 'Running',
      verb: 'start',
      remedy: 'what runs is changed by update and then restart',
    });
    // Nothing is said of what is to run.
    await expect(firstValueFrom(manager.start('healthy', { cmd: undefined } as object))).resolves.toBe(
      healthy,
    );
    await expect(failure(manager.fork('healthy', { name: 'two' }))).resolves.toMatchObject({
      _tag: 'InvalidState',
      verb: 'fork',
    });
  });

  it('close refuses what it does not know, and stays open', async () => {
    expect(linesOf(await manager.close({ stop: true } as object).catch((error: unknown) => error))).toEqual([
      'stop | true | another key; known are stopInstances',
    ]);
    await expect(firstValueFrom(manager.get('healthy'))).resolves.toBe(healthy);
  });
});

describe('who listens', () => {
  const consumerRule = /^ \| .+ \| a consumer name/;

  it.each([0, -1, NaN, 1.5, Infinity, 2 ** 24 + 1, '8', null])(
    'may not ask for a capacity of %p',
    (capacity) => {
      const buffering = { capacity } as object;
      for (const listen of [
        () => manager.consume('app', () => EMPTY, buffering),
        () => manager.iterate('app', buffering),
        () => manager.watch('app', buffering),
      ]) {
        expect(linesOf(thrownBy(listen))).toEqual([
          expect.stringMatching(/^capacity \| .+ \| capacity \(a whole number from 1 to 16777216\)$/),
        ]);
      }
    },
  );

  it.each([
    '',
    'App',
    '7up',
    'a-b',
    '../app',
    'a\n',
    '\u001b[2J',
    'a'.repeat(65),
    '__proto__',
    7,
    null,
    undefined,
  ])('may not be called %j', (name) => {
    for (const listen of [
      () => manager.events(name as string),
      () => manager.consume(name as string, () => EMPTY),
      () => manager.iterate(name as string),
      () => manager.watch(name as string),
    ]) {
      expect(linesOf(thrownBy(listen))).toEqual([expect.stringMatching(consumerRule)]);
    }
  });

  it('has one of 64 names, and the 65th is refused', () => {
    const known = Object.keys(manager.stats()).length;
    for (let n = known; n < 64; n += 1) void manager.watch(`app_${String(n)}`);
    expect(thrownBy(() => manager.watch('one_more'))).toMatchObject({
      _tag: 'TooManyConsumers',
      message: '"one_more" would be consumer name 65; a manager knows at most 64',
    });
    expect(Object.keys(manager.stats())).toHaveLength(64);
  });
});

it('whatever a door is given, it answers or fails with one of our own errors', async () => {
  const strange = fc.anything({ withNullPrototype: true, withMap: true, withBigInt: true, withDate: true });
  const keyed = (...keys: readonly string[]) =>
    fc.oneof(strange, fc.dictionary(fc.constantFrom(...keys), strange, { maxKeys: 3 }));
  const memory = await openManager({ drivers: [createMemoryDriver()] });
  await firstValueFrom(memory.create({ name: 'web', image: 'any' }));
  const doors: readonly (readonly [fc.Arbitrary<unknown>, (value: never) => Observable<unknown>])[] = [
    [keyed('name', 'image', 'driver', 'env', 'tags', 'readiness'), memory.create],
    [keyed('env', 'tags', 'readiness', 'stopGraceMs'), (patch) => memory.update('web', patch)],
    [keyed('entrypoint', 'cmd', 'x'), (overrides) => memory.start('web', overrides)],
    [keyed('name', 'fromRunning', 'targetState'), (request) => memory.fork('web', request)],
    [keyed('state', 'driver', 'tags'), memory.list],
    [keyed('source', 'tail', 'x'), (options) => memory.logs('web', options)],
    [keyed('timeoutMs', 'pollMs', 'signal'), (options) => memory.waitForState('web', 'Running', options)],
    [strange, (target) => memory.waitForState('web', target, { timeoutMs: 0 })],
    [fc.oneof(strange, fc.string()), memory.get],
    [fc.oneof(strange, fc.string()), memory.standby],
    [fc.oneof(strange, fc.string()), (id) => memory.waitForState(id, 'Running', { timeoutMs: 0 })],
  ];
  const tags = [
    'InvalidRequest',
    'InstanceNotFound',
    'InvalidState',
    'LogNotFound',
    'AmbiguousName',
    'NameTaken',
  ];
  const attempts = fc.oneof(...doors.map(([value, door]) => value.map((given) => ({ given, door }))));
  await fc.assert(
    fc.asyncProperty(attempts, async ({ given, door }) => {
      const answer$ = defer(() => door(given as never)).pipe(take(1), toArray());
      const error: unknown = await lastValueFrom(answer$).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error !== undefined) expect(tags).toContain((error as { readonly _tag?: unknown })._tag);
    }),
    { numRuns: 1_000 },
  );
  await memory.close();
});
