import * as fc from 'fast-check';
import { createMemoryDriver } from '../../src/drivers/memory/memoryDriver.js';
import type { Driver } from '../../src/drivers/driver.js';
import type { Fault, InvalidRequest } from '../../src/lifecycle/errors.js';
import type { InstanceSpec } from '../../src/lifecycle/instance.js';
import {
  type Creation,
  decodeClose,
  decodeCreation as decodeCreationAt,
  decodeListOptions,
  decodeFork,
  decodeLogOptions,
  decodeOverrides,
  decodeUpdate as decodeUpdateAt,
} from '../../src/manager/requests.js';

const memory = createMemoryDriver();
/** Takes whatever it is given, and says what that was. */
const taking: Driver = {
  ...memory,
  kind: 'taking',
  capabilities: { standbyFrees: 'nothing', logs: ['app', 'vmm'] },
  decode: (fields) => ({ _tag: 'Right', right: fields }),
};
const one: ReadonlyMap<string, Driver> = new Map([['memory', memory]]);
const two = new Map([...one, ['taking', taking]]);

const smallest = { name: 'web', image: 'any' };
const now = 1_000_000;
const decodeCreation = (drivers: Parameters<typeof decodeCreationAt>[0], request: unknown): Creation =>
  decodeCreationAt(drivers, request, now);
const decodeUpdate = (...[driver, spec, patch]: [Driver, InstanceSpec, unknown]): InstanceSpec =>
  decodeUpdateAt(driver, spec, patch, now).spec;

const specOf = (fields: object = {}): InstanceSpec => decodeCreation(one, { ...smallest, ...fields }).spec;

/** Every fault that comes of a request, as lines. */
function faultsOf(door: () => unknown): readonly string[] {
  try {
    door();
    return [];
  } catch (error) {
    expect(error).toMatchObject({ _tag: 'InvalidRequest', name: 'InvalidRequest' });
    return (error as InvalidRequest).faults.map(
      ({ path, found, expected }: Fault) => `${path} | ${found} | ${expected}`,
    );
  }
}

const nameRule = 'a name (1 to 63 lower-case letters, digits and inner hyphens, no id)';
const imageRule = 'an image (1 to 4096 characters, no control characters)';
const keysOfCreation =
  'known are name, image, driver, env, secrets, tags, runTimeoutMs, autoStandby, restartPolicy, healthCheck, expiresAt, ttlMs, readiness, ports, stopGraceMs';
const keysOfUpdate =
  'known are env, secrets, tags, runTimeoutMs, autoStandby, restartPolicy, healthCheck, expiresAt, ttlMs, readiness, ports, stopGraceMs';
const variableRule = 'a variable name (not empty, no = or NUL)';
const valueRule = 'a text without NUL characters';
const tagKeyRule = 'a tag key (1 to 128 of letters, digits and " _.:/=+@-")';
const tagValueRule = 'a tag value (at most 256 of letters, digits and " _.:/=+@-")';

describe('a request to create', () => {
  const faults = (request: unknown, drivers = one): readonly string[] =>
    faultsOf(() => decodeCreation(drivers, request));

  test('says a name and an image, and has the rest by default', () => {
    expect(decodeCreation(one, smallest)).toStrictEqual({
      name: 'web',
      driver: memory,
      spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
      secrets: {},
    });
    expect(decodeCreation(one, { ...smallest, env: undefined, readiness: undefined }).spec).toStrictEqual({
      driver: 'memory',
      image: 'any',
      env: {},
      tags: {},
    });
  });

  test('becomes a spec of its own, frozen to its depths', () => {
    const request = { ...smallest, env: { A: '1' }, tags: { t: '1' }, readiness: { kind: 'tcp', port: 80 } };
    const { spec } = decodeCreation(one, request);
    expect(spec).toStrictEqual({
      driver: 'memory',
      image: 'any',
      env: { A: '1' },
      tags: { t: '1' },
      readiness: { kind: 'tcp', port: 80 },
    });
    expect([spec, spec.env, spec.tags, spec.readiness].every(Object.isFrozen)).toBe(true);
    expect([request.env, request.tags, request.readiness].some(Object.isFrozen)).toBe(false);
  });

  test.each<[unknown, string]>([
    [undefined, 'nothing'],
    [null, 'null'],
    ['web', 'a text of 3 characters'],
    [7, 'a number'],
    [[smallest], 'an array of 1 value'],
    [() => smallest, 'a function'],
  ])('is an object: %p', (request, found) => {
    expect(faults(request)).toEqual([` | ${found} | an object`]);
  });

  test('tells all that is wrong with it at once, what only the driver knows included', () => {
    expect(
      faults({ name: 'Web', env: { 'a=b': '\0' }, tags: [], nme: 1, readiness: { kind: 'tcp', port: 0 } }),
    ).toEqual([
      `name | 'Web' | ${nameRule}`,
      `image | nothing | ${imageRule}`,
      `env[a text of 3 characters] | a text of 3 characters | ${variableRule}`,
      `env[a text of 3 characters] | a text of 1 character | ${valueRule}`,
      'tags | [] | tags (an object of at most 50 texts)',
      `nme | a number | another key, perhaps name; ${keysOfCreation}`,
      'readiness.port | 0 | TCP port (a whole number from 1 to 65535)',
    ]);
  });

  test.each(['a', '0', 'a-b', 'a--b', '0-0', 'a'.repeat(63)])('may be named %s', (name) => {
    expect(decodeCreation(one, { ...smallest, name }).name).toBe(name);
  });

  test.each([
    '',
    '-',
    '-a',
    'a-',
    'A',
    'a b',
    ' a',
    'a\n',
    'a\0',
    'a.b',
    '.',
    '..',
    '../a',
    'a/b',
    '/a',
    'a\\b',
    'a_b',
    'ä',
    'ａ',
    '\u001b[2J',
    'a\u200bb',
    'a'.repeat(64),
    '__proto__',
    '%2e%2e',
    '~',
    '$HOME',
    '*',
  ])('may not be named %j', (name) => {
    expect(faults({ ...smallest, name })).toEqual([expect.stringMatching(/^name \| .* \| a name/)]);
  });

  test.each([[7], [null], [['web']], [{}], [{ toString: () => 'web' }], [new String('web')]])(
    'has a name that is a text: %p',
    (name: unknown) => {
      expect(faults({ ...smallest, name })).toEqual([expect.stringMatching(/^name \| .* \| a name/)]);
    },
  );

  test.each(['.', '../..', '/', 'a b', 'ä', 'docker.io/library/nginx:1', 'x'.repeat(4096)])(
    'may start from %.20j',
    (image) => {
      expect(decodeCreation(one, { ...smallest, image }).spec.image).toBe(image);
    },
  );

  test.each(['', 'a\n', 'a\0b', '\u001b[2J', '\u007f', 'x'.repeat(4097)])(
    'may not start from %.20j',
    (image) => {
      expect(faults({ ...smallest, image })).toEqual([expect.stringMatching(/^image \| .* \| an image/)]);
    },
  );

  test('takes every variable that a process can have', () => {
    const env: object = {
      ['__proto__']: '1',
      constructor: '2',
      ' ': '=',
      'a.b-c': 'two\nlines',
      ä: '😀',
      empty: '',
    };
    expect(Object.entries(specOf({ env }).env)).toEqual(Object.entries(env));
  });

  test.each<[object, readonly string[]]>([
    [{ '': 'x' }, [`env[an empty text] | an empty text | ${variableRule}`]],
    [{ '=': 'x' }, [`env[a text of 1 character] | a text of 1 character | ${variableRule}`]],
    [{ 'a\0': 'x' }, [`env[a text of 2 characters] | a text of 2 characters | ${variableRule}`]],
    [{ a: 1 }, [`env.a | a number | ${valueRule}`]],
    [{ a: undefined }, [`env.a | nothing | ${valueRule}`]],
    [{ a: ['x'] }, [`env.a | an array of 1 value | ${valueRule}`]],
    [new Map([['a', 'x']]), ['env | an instance of Map | variables (an object of texts)']],
    [['a=x'], ['env | an array of 1 value | variables (an object of texts)']],
  ])('takes no other variables: %p', (env, expected) => {
    expect(faults({ ...smallest, env })).toEqual(expected);
  });

  test('takes 50 tags, and not one more', () => {
    const tags = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${String(index)}`, '']));
    expect(Object.keys(specOf({ tags: tags(50) }).tags)).toHaveLength(50);
    expect(faults({ ...smallest, tags: tags(51) })).toEqual([
      "tags | '51 tags' | tags (an object of at most 50 texts)",
    ]);
  });

  test('takes tags as long as they may be', () => {
    const tags = { ['k'.repeat(128)]: 'v'.repeat(256), 'aZ09 _.:/=+@-': '', __proto: '' };
    expect(specOf({ tags }).tags).toStrictEqual(tags);
  });

  test.each<[object, readonly string[]]>([
    [{ '': '' }, [`tags[''] | '' | ${tagKeyRule}`]],
    [{ ü: '' }, [`tags['ü'] | 'ü' | ${tagKeyRule}`]],
    [{ 'a,b': '' }, [`tags['a,b'] | 'a,b' | ${tagKeyRule}`]],
    [{ a: 'b\n' }, [`tags.a | 'b\\n' | ${tagValueRule}`]],
    [{ a: '\u001b[2J' }, [`tags.a | '\\x1B[2J' | ${tagValueRule}`]],
    [{ a: 7 }, [`tags.a | 7 | ${tagValueRule}`]],
    [{ a: 'v'.repeat(257) }, [`tags.a | '${'v'.repeat(78)}… | ${tagValueRule}`]],
    [{ ['k'.repeat(129)]: '' }, [`tags['${'k'.repeat(78)}…] | '${'k'.repeat(78)}… | ${tagKeyRule}`]],
  ])('takes no other tags: %.60p', (tags, expected) => {
    expect(faults({ ...smallest, tags })).toEqual(expected);
  });

  test('goes to the driver that it names, and to the only one when it names none', () => {
    expect(decodeCreation(two, { ...smallest, driver: 'taking', cmd: ['x'] })).toStrictEqual({
      name: 'web',
      driver: taking,
      spec: { driver: 'taking', image: 'any', env: {}, tags: {}, cmd: ['x'] },
      secrets: {},
    });
    expect(faults(smallest, two)).toEqual(['driver | nothing | one of memory, taking']);
  });

  test.each<[unknown, string]>([
    ['qemu', "'qemu'"],
    ['', "''"],
    ['Memory', "'Memory'"],
    ['__proto__', "'__proto__'"],
    [null, 'null'],
    [['memory'], 'an array of 1 value'],
    [{ toString: () => 'memory' }, 'an object with toString'],
    [Object.create(null), '{}'],
  ])('goes to no other driver: %p', (driver, found) => {
    expect(faults({ ...smallest, driver })).toEqual([`driver | ${found} | one of memory`]);
  });

  test('may not bring names of prototypes', () => {
    const request: unknown = JSON.parse(
      '{"name":"web","image":"any","__proto__":{"env":{}},"constructor":1}',
    );
    expect(faults(request)).toEqual([
      `__proto__ | an object with 1 key | another key; ${keysOfCreation}`,
      `constructor | a number | another key; ${keysOfCreation}`,
    ]);
    expect('env' in {}).toBe(false);
  });

  test('may not say what only the manager says', () => {
    expect(faults({ ...smallest, id: 'x', state: 'Running', revision: 7 })).toEqual([
      `id | a text of 1 character | another key; ${keysOfCreation}`,
      `state | a text of 7 characters | another key; ${keysOfCreation}`,
      `revision | a number | another key; ${keysOfCreation}`,
    ]);
  });

  test('fails as its own code does, where it is code', () => {
    const error = new Error('a getter');
    const request = Object.defineProperty({ ...smallest }, 'env', {
      enumerable: true,
      get: () => {
        throw error;
      },
    });
    expect(() => decodeCreation(one, request)).toThrow(error);
  });

  test('of thousands of faults tells the first hundred', () => {
    const env = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`a${String(index)}`, index]),
    );
    const told = faults({ ...smallest, env });
    expect(told).toHaveLength(101);
    expect(told.at(-1)).toBe(' | 9900 more faults | none');
  });

  test('whatever it is, is understood or refused by name', () => {
    const field = fc.constantFrom(
      'name',
      'image',
      'driver',
      'env',
      'tags',
      'readiness',
      'stopGraceMs',
      'other',
    );
    const strange = fc.anything({
      withNullPrototype: true,
      withMap: true,
      withSet: true,
      withDate: true,
      withBigInt: true,
    });
    fc.assert(
      fc.property(fc.oneof(strange, fc.dictionary(field, strange)), (request) => {
        const told = faults(
          typeof request === 'object' && request !== null ? { ...smallest, ...request } : request,
        );
        for (const line of told) expect(line.split(' | ')[2]).not.toBe('');
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a time to live', () => {
  const faults = (fields: object): readonly string[] =>
    faultsOf(() => decodeCreation(one, { ...smallest, ...fields }));

  test('ends so long from now on, or at that time', () => {
    expect(specOf({ ttlMs: 500 })).toMatchObject({ expiresAt: now + 500 });
    expect(specOf({ expiresAt: now + 1 })).toMatchObject({ expiresAt: now + 1 });
    expect(specOf({ ttlMs: 0 })).not.toHaveProperty('expiresAt');
  });

  test('is asked for in one way, and is to come', () => {
    expect(faults({ ttlMs: 500, expiresAt: now + 1 })).toEqual(['ttlMs | 500 | none beside expiresAt']);
    expect(faults({ expiresAt: now })).toEqual([`expiresAt | ${String(now)} | a time that is to come`]);
  });

  test('is taken away by an update to 0, and policies by what is none', () => {
    const spec = specOf({
      ttlMs: 500,
      restartPolicy: { policy: 'always' },
      healthCheck: { kind: 'tcp', port: 1 },
    });
    const none = { ttlMs: 0, restartPolicy: { policy: 'never' }, healthCheck: { kind: 'none' } };
    expect(decodeUpdate(memory, spec, none)).toStrictEqual(specOf());
  });
});

describe('a request to update', () => {
  const spec = specOf({
    env: { A: '1' },
    tags: { t: '1' },
    readiness: { kind: 'tcp', port: 80 },
    stopGraceMs: 5,
  });
  const faults = (patch: unknown): readonly string[] => faultsOf(() => decodeUpdate(memory, spec, patch));

  test('replaces the fields that it names, and leaves the rest', () => {
    expect(decodeUpdate(memory, spec, { env: { B: '2' }, stopGraceMs: 6 })).toStrictEqual({
      ...spec,
      env: { B: '2' },
      stopGraceMs: 6,
    });
    expect(decodeUpdate(memory, spec, { tags: {} })).toStrictEqual({ ...spec, tags: {} });
  });

  test('takes nothing away with a field that is undefined', () => {
    expect(decodeUpdate(memory, spec, { tags: {}, readiness: undefined, env: undefined })).toStrictEqual({
      ...spec,
      tags: {},
    });
  });

  test('is frozen to its depths, and leaves the spec before it alone', () => {
    const updated = decodeUpdate(memory, spec, { env: { B: '2' } });
    expect([updated, updated.env, updated.tags].every(Object.isFrozen)).toBe(true);
    expect(spec.env).toEqual({ A: '1' });
  });

  test.each<[unknown, readonly string[]]>([
    [{}, [' | {} | at least one field to change']],
    [{ env: undefined }, [' | an object with env | at least one field to change']],
    [null, [' | null | an object']],
    [[], [' | [] | an object']],
    [{ env: null }, ['env | null | variables (an object of texts)']],
    [{ readiness: null }, [expect.stringMatching(/^readiness \| null \| /) as string]],
    [
      { name: 'x', image: 'y', driver: 'z', env: { '=': '' } },
      [
        `env[a text of 1 character] | a text of 1 character | ${variableRule}`,
        `name | a text of 1 character | another key; ${keysOfUpdate}`,
        `image | a text of 1 character | another key; ${keysOfUpdate}`,
        `driver | a text of 1 character | another key; ${keysOfUpdate}`,
      ],
    ],
  ])('is refused when it cannot be understood: %p', (patch, expected) => {
    expect(faults(patch)).toEqual(expected);
  });
});

describe('overrides of a start', () => {
  const spec = decodeCreation(two, {
    ...smallest,
    driver: 'taking',
    entrypoint: ['a'],
    cmd: ['b'],
    stopGraceMs: 5,
  }).spec;
  const faults = (overrides: unknown, driver = taking): readonly string[] =>
    faultsOf(() => decodeOverrides(driver, spec, overrides));

  test('replace what is run, and nothing else', () => {
    expect(decodeOverrides(taking, spec, { cmd: ['c'] })).toStrictEqual({ ...spec, cmd: ['c'] });
    expect(decodeOverrides(taking, spec, { entrypoint: ['c'], cmd: [] })).toStrictEqual({
      ...spec,
      entrypoint: ['c'],
      cmd: [],
    });
    expect(decodeOverrides(taking, spec, {})).toStrictEqual(spec);
    expect(decodeOverrides(taking, spec, { cmd: undefined })).toStrictEqual(spec);
  });

  test.each<[unknown, readonly string[]]>([
    [null, [' | null | an object']],
    ['cmd', [' | a text of 3 characters | an object']],
    [{ env: {}, cmd: [] }, ['env | {} | another key; known are entrypoint, cmd']],
    [{ stopGraceMs: 1 }, ['stopGraceMs | a number | another key; known are entrypoint, cmd']],
    [
      JSON.parse('{"__proto__":{"cmd":[]}}'),
      ['__proto__ | an object with 1 key | another key; known are entrypoint, cmd'],
    ],
  ])('are refused when they cannot be understood: %p', (overrides, expected) => {
    expect(faults(overrides)).toEqual(expected);
  });

  test('are refused by a driver that runs nothing of the kind', () => {
    expect(faultsOf(() => decodeOverrides(memory, specOf(), { cmd: ['x'] }))).toEqual([
      'cmd | an array of 1 value | another key; known are readiness, ports, stopGraceMs',
    ]);
  });
});

describe('the small requests', () => {
  test('are understood', () => {
    expect(decodeFork({ name: 'b', fromRunning: true, targetState: 'Standby' })).toStrictEqual({
      name: 'b',
      fromRunning: true,
      targetState: 'Standby',
    });
    expect(decodeFork({ name: 'b' })).toStrictEqual({ name: 'b' });
    expect(decodeListOptions({ state: 'Running', driver: 'memory', tags: { a: '' } })).toStrictEqual({
      state: 'Running',
      driver: 'memory',
      tags: { a: '' },
    });
    expect(decodeListOptions({})).toStrictEqual({});
    expect(decodeClose({ stopInstances: false })).toStrictEqual({ stopInstances: false });
    expect(decodeLogOptions(taking, {})).toStrictEqual({ source: 'app', tail: 100, follow: false });
    expect(decodeLogOptions(taking, { source: 'vmm', tail: 0, follow: true })).toStrictEqual({
      source: 'vmm',
      tail: 0,
      follow: true,
    });
  });

  const lines = 'lines (a whole number from 0 to 1000000)';

  test.each<[string, (value: unknown) => unknown, unknown, readonly string[]]>([
    ['fork', decodeFork, {}, [`name | nothing | ${nameRule}`]],
    [
      'fork',
      decodeFork,
      { name: '../a', fromRunning: 1 },
      [`name | '../a' | ${nameRule}`, 'fromRunning | 1 | boolean'],
    ],
    [
      'fork',
      decodeFork,
      { name: 'b', targetState: 'Paused' },
      ["targetState | 'Paused' | one of Stopped, Standby, Running"],
    ],
    [
      'fork',
      decodeFork,
      { name: 'b', target_state: 'Running' },
      [
        'target_state | a text of 7 characters | another key, perhaps targetState; known are name, fromRunning, targetState, env, tags, entrypoint, cmd',
      ],
    ],
    ['fork', decodeFork, null, [' | null | fork request']],
    [
      'filter',
      decodeListOptions,
      { state: 'running' },
      [
        "state | 'running' | one of Created, Initializing, Running, Paused, Shutdown, Stopped, Standby, Unknown",
      ],
    ],
    [
      'filter',
      decodeListOptions,
      { driver: 7, tags: { '': 'x' }, name: 'a' },
      [
        'name | a text of 1 character | another key; known are state, driver, tags, hasTags, hasFields, sortBy, limit, after',
        'driver | 7 | string',
        `tags[''] | '' | ${tagKeyRule}`,
      ],
    ],
    ['filter', decodeListOptions, [], [' | [] | list options']],
    [
      'filter',
      decodeListOptions,
      {
        state: ['Running', 'Gone'],
        hasTags: ['a', ''],
        sortBy: 'age',
        limit: 0,
        after: { id: 'a', name: 'b' },
      },
      [
        "state[1] | 'Gone' | one of Created, Initializing, Running, Paused, Shutdown, Stopped, Standby, Unknown",
        `hasTags[1] | '' | ${tagKeyRule}`,
        "sortBy | 'age' | one of createdAt, name",
        'limit | 0 | instances (a whole number from 1 to 1000000)',
        'after.createdAt | nothing | milliseconds (a whole number from 0 to 9007199254740991)',
      ],
    ],
    ['filter', decodeListOptions, { state: [] }, ['state | [] | states (a list of 1 to 8)']],
    [
      'filter',
      decodeListOptions,
      { hasTags: Array(51).fill('a') },
      ['hasTags | an array of 51 values | tag keys (a list of at most 50)'],
    ],
    ['close', decodeClose, { stopInstances: 'no' }, ["stopInstances | 'no' | boolean"]],
    ['close', decodeClose, { stop: true }, ['stop | true | another key; known are stopInstances']],
    ['logs', (value) => decodeLogOptions(memory, value), { tail: -1 }, [`tail | -1 | ${lines}`]],
    [
      'logs',
      (value) => decodeLogOptions(memory, value),
      { tail: 1e6 + 1, follow: 'yes' },
      [`tail | 1000001 | ${lines}`, "follow | 'yes' | boolean"],
    ],
    ['logs', (value) => decodeLogOptions(memory, value), { source: null }, ['source | null | string']],
  ])('are refused by name: %s %#', (_, door, value, expected) => {
    expect(faultsOf(() => door(value))).toEqual(expected);
  });

  test.each<[string, (value: unknown) => unknown]>([
    ['fork', decodeFork],
    ['filter', decodeListOptions],
    ['close', decodeClose],
    ['logs', (value) => decodeLogOptions(memory, value)],
  ])('are understood or refused by name, whatever they are: %s', (_, door) => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withMap: true }), (value) => {
        for (const line of faultsOf(() => door(value))) expect(line.split(' | ')[2]).not.toBe('');
      }),
    );
  });
});
