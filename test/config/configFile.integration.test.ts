import * as E from 'fp-ts/lib/Either.js';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfigFile } from '../../src/config/configFile.js';

const folder = mkdtempSync(join(tmpdir(), 'config-file-'));
const path = join(folder, 'config.yaml');

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const read = (content: string | Uint8Array): Promise<E.Either<unknown, unknown>> => {
  writeFileSync(path, content);
  return readConfigFile(path)();
};

/** The faults without what is the same in all: the path of the file, and what was expected. */
const complaints = async (content: string): Promise<unknown> => {
  const result = await read(content);
  if (E.isRight(result)) return 'no fault';
  return (result.left as readonly { path: string; found: string }[]).map(
    (fault) => `${fault.path.replace(path, 'FILE')} ${fault.found}`,
  );
};

test.each<[string, unknown]>([
  ['', {}],
  ['# nothing', {}],
  ['---\n', {}],
  ['~', {}],
  ['metrics:', { metrics: null }],
  ['metrics:\n  port: 80\n', { metrics: { port: 80 } }],
  ['{"metrics":{"port":80}}', { metrics: { port: 80 } }],
  ['\uFEFFport: 80', { port: 80 }],
  ['port: 0x50', { port: 80 }],
  ['port: yes', { port: 'yes' }],
  ['%YAML 1.1\n---\nport: 0o17\nyes: on\n<<: { a: 1 }\n', { port: 15, yes: 'on', '<<': { a: 1 } }],
  ['port: !!int "80"', { port: 80 }],
  ['a: &a [1]\nb: *a', { a: [1], b: [1] }],
  ['1: 2\nnull: 3\ntrue: 4', { 1: 2, null: 3, true: 4 }],
  ['a\0b: "\\0"', { 'a\0b': '\0' }],
  [' '.repeat(2 ** 16), {}],
])('reads %j', async (content, value) => {
  expect(await read(content)).toStrictEqual(E.right(value));
});

test('keys that are names of prototypes are keys like any other', async () => {
  const result = await read('__proto__: { admin: true }\nconstructor: 1\n');
  const value = E.isRight(result) ? (result.right as object) : {};
  expect(Object.entries(value)).toEqual([
    ['__proto__', { admin: true }],
    ['constructor', 1],
  ]);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect('admin' in {}).toBe(false);
});

test.each([
  [
    'port: 80\nport: 81\na:\n  b: 1\n  b: 2',
    ['FILE:2:1 broken YAML (Map keys must be unique)', 'FILE:5:3 broken YAML (Map keys must be unique)'],
  ],
  ['a:\n\tb: 1', ['FILE:2:1 broken YAML (Tabs are not allowed as indentation)']],
  ['a: 1\n---\nb: 2\n---\nc: 3', ['FILE:2:1 broken YAML (a second document)']],
  ['a: !!js/function "x"', ['FILE:1:4 broken YAML (Unresolved tag: tag:yaml.org,2002:js/function)']],
  ['a: !!binary aGk=', ['FILE:1:4 broken YAML (Unresolved tag: tag:yaml.org,2002:binary)']],
  ['a: !secret b', ['FILE:1:4 broken YAML (Unresolved tag: !secret)']],
  ['? [a]\n: 1', ['FILE:1:3 broken YAML (With stringKeys, all keys must be strings)']],
  [
    '%FOO\n',
    [
      'FILE:2:1 broken YAML (Missing directives-end indicator line)',
      'FILE:1:1 broken YAML (Unknown directive %FOO)',
    ],
  ],
  ['"', ['FILE:1:2 broken YAML (Missing closing "quote)']],
  ['a: 1\0', 'no fault'],
  ['{}\0', ['FILE:1:3 broken YAML (Unexpected scalar at node end)']],
  ['a: *b', ['FILE broken YAML (Unresolved alias (the anchor must be set before the alias): b)']],
])('tells where YAML is broken: %j', async (content, expected) => {
  expect(await complaints(content)).toEqual(expected);
});

test('says what it expected instead', async () => {
  expect(await read('@')).toEqual(
    E.left([
      {
        path: `${path}:1:1`,
        found: 'broken YAML (Plain value cannot start with reserved character @)',
        expected: 'one document of YAML or JSON',
      },
    ]),
  );
});

test('aliases do not unfold to a billion laughs', async () => {
  const laughs = ['a0: &a0 [ha, ha, ha]'];
  for (let level = 1; level < 20; level += 1) {
    const alias = `*a${String(level - 1)}`;
    laughs.push(`a${String(level)}: &a${String(level)} [${Array(9).fill(alias).join(', ')}]`);
  }
  expect(await complaints(laughs.join('\n'))).toEqual([
    'FILE broken YAML (Excessive alias count indicates a resource exhaustion attack)',
  ]);
});

test('of many complaints the first ten are told', async () => {
  expect(await complaints('a: 1\n'.repeat(1_000))).toHaveLength(10);
});

test.each([
  '['.repeat(500),
  '- '.repeat(500),
  '{a: '.repeat(500),
  '? '.repeat(500),
  Array.from({ length: 100 }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
  `${'['.repeat(33)}${']'.repeat(33)}`,
])('more nesting than a configuration has is a fault: %.10s…', async (content) => {
  expect(await complaints(content)).toEqual(['FILE more than 32 levels of nesting']);
});

test.each([[[0xc0, 0x80]], [[0xff, 0xfe, 0x61, 0x00]], [[0xed, 0xa0, 0x80]], [[0x61, 0xf0, 0x9f]]])(
  'takes nothing but UTF-8: %p',
  async (bytes) => {
    expect(await read(Uint8Array.from(bytes))).toEqual(
      E.left([{ path, found: 'bytes that are no UTF-8', expected: 'YAML or JSON in UTF-8' }]),
    );
  },
);

test('a file of more than 64 KiB is not read to its end', async () => {
  const tooLong = E.left([{ path, found: 'more than 65536 bytes', expected: 'at most 65536 bytes' }]);
  expect(await read(' '.repeat(2 ** 16 + 1))).toEqual(tooLong);
  truncateSync(path, 2 ** 42);
  expect(await readConfigFile(path)()).toEqual(tooLong);
});

describe('what is no file', () => {
  const unreadable = (place: string, found: string): E.Either<unknown, unknown> =>
    E.left([{ path: place, found, expected: 'a file that can be read' }]);

  test.each<[string, string, (place: string) => void]>([
    ['missing', 'ENOENT: no such file or directory', () => undefined],
    ['a, open', 'ENOENT: no such file or directory', () => undefined],
    ['two\nlines', 'ENOENT: no such file or directory', () => undefined],
    [
      'a\0b',
      "The argument 'path' must be a string, Uint8Array, or URL without null bytes. Received FILE",
      () => undefined,
    ],
    [
      'config.yaml/below',
      'ENOTDIR: not a directory',
      () => {
        writeFileSync(path, '');
      },
    ],
    ['x'.repeat(256), 'ENAMETOOLONG: name too long', () => undefined],
    ['directory', 'a directory', mkdirSync],
    [
      'link to a directory',
      'a directory',
      (place) => {
        symlinkSync('.', place);
      },
    ],
    [
      'broken link',
      'ENOENT: no such file or directory',
      (place) => {
        symlinkSync('nowhere', place);
      },
    ],
    [
      'loop',
      'ELOOP: too many symbolic links encountered',
      (place) => {
        symlinkSync('loop', place);
      },
    ],
    ['pipe', 'something that is no file', (place) => execFileSync('mkfifo', [place])],
    [
      'device',
      'something that is no file',
      (place) => {
        symlinkSync('/dev/zero', place);
      },
    ],
  ])('is told: %j', async (name, found, make) => {
    const place = join(folder, name);
    make(place);
    const said = found.replace('FILE', `'${place.replace('\0', '\\x00')}'`);
    expect(await readConfigFile(place)()).toEqual(unreadable(place, said));
  });
});

test('each run reads anew', async () => {
  const task = readConfigFile(path);
  writeFileSync(path, 'a: 1');
  expect(await task()).toEqual(E.right({ a: 1 }));
  writeFileSync(path, 'a: 2');
  expect(await task()).toEqual(E.right({ a: 2 }));
});
