import * as E from 'fp-ts/lib/Either.js';
import fc from 'fast-check';
import { decodeProcessFields } from '../../../src/drivers/process/processFields.js';

const patternRule =
  'a regular expression (at most 500 characters; no look-around, no back-references, few repetitions)';

const faultsOf = (fields: object): readonly string[] => {
  const decoded = decodeProcessFields({ entrypoint: ['true'], ...fields });
  return E.isLeft(decoded)
    ? decoded.left.map(({ path, found, expected }) => `${path} | ${found} | ${expected}`)
    : [];
};

const argumentsRule = 'arguments (an array of texts)';
const argumentRule = 'a text without NUL characters';
const program = 'a program, as the first text of entrypoint or, without one, of cmd';
const signalRule = 'the name of a signal, such as SIGTERM or SIGRTMIN+3';
const millisecondsRule = 'milliseconds (a whole number from 0 to 2147483647)';
const cwdRule =
  'a directory (an absolute path, or one within the working directory without "..", at most 4096 characters)';
const userRule = 'a user, as "name", "uid", "name:group" or "uid:gid"';
const pathRule = 'a path with its leading slash';

it.each<[object]>([
  [{}],
  [{ entrypoint: undefined, cmd: ['true'] }],
  [{ entrypoint: [], cmd: ['true', ''] }],
  [{ cmd: ['', '-x', 'two\nlines', '😀'] }],
  [{ readiness: { kind: 'log', pattern: '^ready \\p{L}+$' } }],
  [{ readiness: { kind: 'tcp', port: 65_535 } }],
  [{ readiness: { kind: 'http', port: 1, path: '/a?b=c#d%20' } }],
  [{ stopSignal: 'SIGKILL', stopGraceMs: 0 }],
  [{ ports: [] }],
  [{ ports: Array.from({ length: 64 }, (_, index) => ({ guest: index + 1, host: 0 })) }],
  [{ cwd: '/srv/web' }],
  [{ openFiles: 8 }],
  [{ cwd: '/srv/../web/' }],
  [{ cwd: './packages/web..' }],
  [{ stopSignal: 'SIGUSR2', stopGraceMs: 2 ** 31 - 1 }],
])('understands %j', (fields) => {
  const given = { entrypoint: ['true'], ...fields };
  // To `toEqual` a field that is undefined is none.
  expect(decodeProcessFields(given)).toEqual(E.right(given));
});

it.each<[object, readonly string[]]>([
  [{ entrypoint: undefined }, [`entrypoint | nothing | ${program}`]],
  [{ entrypoint: [] }, [`entrypoint | [] | ${program}`]],
  [{ entrypoint: [''] }, [`entrypoint | an array of 1 value | ${program}`]],
  [{ entrypoint: [''], cmd: ['true'] }, [`entrypoint | an array of 1 value | ${program}`]],
  [{ entrypoint: 'true' }, [`entrypoint | a text of 4 characters | ${argumentsRule}`]],
  [{ entrypoint: [7] }, [`entrypoint[0] | a number | ${argumentRule}`]],
  [{ cmd: ['a', 'b\0'] }, [`cmd[1] | a text of 2 characters | ${argumentRule}`]],
  [{ cwd: '' }, [`cwd | '' | ${cwdRule}`]],
  [{ cwd: '..' }, [`cwd | '..' | ${cwdRule}`]],
  [{ cwd: 'a/../b' }, [`cwd | 'a/../b' | ${cwdRule}`]],
  [{ cwd: '/a\0' }, [`cwd | '/a\\x00' | ${cwdRule}`]],
  [{ cwd: ['/a'] }, [`cwd | an array of 1 value | ${cwdRule}`]],
  [{ cmd: { 0: 'a' } }, [`cmd | an object with 1 key | ${argumentsRule}`]],
  [{ readiness: 'http' }, ["readiness | 'http' | readiness"]],
  [{ readiness: {} }, ['readiness.kind | nothing | one of log, tcp, http']],
  [{ readiness: { kind: 'udp' } }, ["readiness.kind | 'udp' | one of log, tcp, http"]],
  [
    { readiness: { kind: 'log', pattern: '(' } },
    [`readiness.pattern | '(' | ${patternRule}: it has unknown syntax`],
  ],
  [
    { readiness: { kind: 'log', pattern: '(a)\\1' } },
    [`readiness.pattern | '(a)\\\\1' | ${patternRule}: it has unknown syntax`],
  ],
  [
    { readiness: { kind: 'log', pattern: 'a(?=b)' } },
    [`readiness.pattern | 'a(?=b)' | ${patternRule}: it has unknown syntax`],
  ],
  [{ readiness: { kind: 'log', pattern: 7 } }, [`readiness.pattern | 7 | ${patternRule}`]],
  [
    { readiness: { kind: 'tcp', port: 0, path: '/' } },
    [
      'readiness.path | a text of 1 character | another key; known are kind, port, timeoutMs',
      'readiness.port | 0 | TCP port (a whole number from 1 to 65535)',
    ],
  ],
  [{ readiness: { kind: 'http', port: 80, path: 'a' } }, [`readiness.path | 'a' | ${pathRule}`]],
  [
    { readiness: { kind: 'http', port: 80, path: '/ HTTP/1.1\r\nX: y' } },
    [`readiness.path | '/ HTTP/1.1\\r\\nX: y' | ${pathRule}`],
  ],
  [
    { ports: Array.from({ length: 65 }, (_, index) => ({ guest: index + 1 })) },
    ['ports | an array of 65 values | ports (an array of at most 64)'],
  ],
  [{ ports: [{ host: 80 }] }, ['ports[0].guest | nothing | TCP port (a whole number from 1 to 65535)']],
  [
    {
      entrypoint: [''],
      ports: [
        { guest: 80, host: 1 },
        { guest: 80, host: 1 },
      ],
    },
    [
      `entrypoint | an array of 1 value | ${program}`,
      'ports[1].host | 1 | another port than those before it',
      'ports[1].guest | 80 | another port than those before it',
    ],
  ],
  [{ memoryMiB: 3 }, ['memoryMiB | 3 | MiB (a whole number from 4 to 16777216)']],
  [{ cpus: 0 }, ['cpus | 0 | processors (a number from 0.01 to 1024)']],
  [{ cpus: '1' }, ["cpus | '1' | processors (a number from 0.01 to 1024)"]],
  [{ pids: 0 }, ['pids | 0 | processes and threads (a whole number from 1 to 4194304)']],
  [{ openFiles: 7 }, ['openFiles | 7 | files (a whole number from 8 to 1073741816)']],
  [{ user: 'a b' }, [`user | 'a b' | ${userRule}`]],
  [{ user: 'ada:' }, [`user | 'ada:' | ${userRule}`]],
  [{ user: 0 }, [`user | 0 | ${userRule}`]],
  [{ stopSignal: 'TERM' }, [`stopSignal | 'TERM' | ${signalRule}`]],
  [{ stopSignal: 15 }, [`stopSignal | 15 | ${signalRule}`]],
  [{ stopSignal: 'toString' }, [`stopSignal | 'toString' | ${signalRule}`]],
  [{ stopGraceMs: -1 }, [`stopGraceMs | -1 | ${millisecondsRule}`]],
  [{ stopGraceMs: NaN }, [`stopGraceMs | NaN | ${millisecondsRule}`]],
  [{ stopGraceMs: 2 ** 31 }, [`stopGraceMs | 2147483648 | ${millisecondsRule}`]],
  [
    { shell: true },
    [
      'shell | true | another key; known are entrypoint, cmd, cwd, readiness, ports, memoryMiB, cpus, pids, openFiles, user, stopSignal, output, stopGraceMs',
    ],
  ],
])('refuses %j, and says why', (fields, expected) => {
  expect(faultsOf(fields)).toEqual(expected);
});

it('tells every fault at once', () => {
  expect(faultsOf({ cmd: 7, stopSignal: 7, readiness: 7, x: 7 })).toHaveLength(4);
});

it('understands again what it has understood, whatever that was', () => {
  const key = fc.constantFrom('entrypoint', 'cmd', 'readiness', 'stopSignal', 'stopGraceMs', 'other');
  const value = fc.oneof(
    fc.anything(),
    fc.array(fc.string()),
    fc.constantFrom('SIGTERM', { kind: 'tcp', port: 80 }, 5),
  );
  fc.assert(
    fc.property(fc.dictionary(key, value), (fields) => {
      const decoded = decodeProcessFields(fields);
      if (E.isRight(decoded)) expect(decodeProcessFields({ ...decoded.right })).toEqual(decoded);
      else expect(decoded.left.every(({ expected }) => expected !== '')).toBe(true);
    }),
    { numRuns: 500 },
  );
});
