import * as E from 'fp-ts/lib/Either.js';
import fc from 'fast-check';
import { decodeQemuFields } from '../../../src/drivers/qemu/qemuFields.js';

const patternRule =
  'a regular expression (at most 500 characters; no look-around, no back-references, few repetitions)';

const faultsOf = (fields: Readonly<Record<string, unknown>>): readonly string[] => {
  const decoded = decodeQemuFields(fields);
  return E.isLeft(decoded)
    ? decoded.left.map(({ path, found, expected }) => `${path} | ${found} | ${expected}`)
    : [];
};

const argumentsRule = 'arguments (an array of texts)';
const argumentRule = 'a text without NUL characters';
const wordRule = 'a text without control characters';
const millisecondsRule = 'milliseconds (a whole number from 0 to 2147483647)';
const memoryRule = 'MiB (a whole number from 16 to 1048576)';
const processorsRule = 'processors (a whole number from 1 to 256)';
const portRule = 'TCP port (a whole number from 1 to 65535)';
const hostPortRule = 'TCP port, or 0 for a free one (a whole number from 0 to 65535)';
const otherPortRule = 'another port than those before it';
const reachedRule = 'the guest port of one of ports, so that this host reaches it';
const accelRule = 'one of kvm, tcg';
const known =
  'entrypoint, cmd, readiness, stopGraceMs, memoryMiB, vcpus, kernelArguments, ports, accel, network';

it.each<[Readonly<Record<string, unknown>>]>([
  [{}],
  [{ entrypoint: [], cmd: [] }],
  [{ entrypoint: ['', '-x'], cmd: ['two\nlines', '😀'] }],
  [{ readiness: { kind: 'log', pattern: '^guest-ready' } }],
  [{ readiness: { kind: 'log', pattern: '.' }, ports: [] }],
  [{ readiness: { kind: 'tcp', port: 22 }, ports: [{ guest: 80 }, { guest: 22 }] }],
  [{ readiness: { kind: 'http', port: 80, path: '/' }, ports: [{ guest: 80, host: 8_080 }] }],
  [{ stopGraceMs: 0, memoryMiB: 16, vcpus: 1, accel: 'kvm' }],
  [{ stopGraceMs: 2 ** 31 - 1, memoryMiB: 1_048_576, vcpus: 256, accel: 'tcg' }],
  [{ network: 'isolated' }],
  [{ network: 'user' }],
  [{ kernelArguments: [] }],
  [{ kernelArguments: ['', 'a="b c"', 'ä,ö'] }],
  [{ ports: [{ guest: 1, host: 0 }, { guest: 65_535, host: 65_535 }, { guest: 2 }] }],
  [{ entrypoint: undefined, memoryMiB: undefined, ports: undefined, readiness: undefined }],
])('understands %j', (fields) => {
  // To `toEqual` a field that is undefined is none.
  expect(decodeQemuFields(fields)).toEqual(E.right(fields));
});

it.each<[Readonly<Record<string, unknown>>, readonly string[]]>([
  [
    {
      ports: [
        { guest: 1, host: 80 },
        { guest: 2, host: 80 },
      ],
    },
    [`ports[1].host | 80 | ${otherPortRule}`],
  ],
  [{ entrypoint: 'true' }, [`entrypoint | a text of 4 characters | ${argumentsRule}`]],
  [{ entrypoint: [7] }, [`entrypoint[0] | a number | ${argumentRule}`]],
  [{ entrypoint: ['a\0'] }, [`entrypoint[0] | a text of 2 characters | ${argumentRule}`]],
  [{ cmd: { 0: 'a' } }, [`cmd | an object with 1 key | ${argumentsRule}`]],
  [{ cmd: ['a', 'b\0'] }, [`cmd[1] | a text of 2 characters | ${argumentRule}`]],
  [{ readiness: 'http' }, ["readiness | 'http' | readiness"]],
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
  [{ readiness: { kind: 'tcp', port: 0 } }, [`readiness.port | 0 | ${portRule}`]],
  [{ readiness: { kind: 'tcp', port: 80 } }, [`readiness.port | 80 | ${reachedRule}`]],
  [
    { readiness: { kind: 'tcp', port: 80 }, ports: [{ guest: 79 }, { guest: 81 }] },
    [`readiness.port | 80 | ${reachedRule}`],
  ],
  [
    // The port of the host is not that of the guest.
    { readiness: { kind: 'http', port: 8_080, path: '/' }, ports: [{ guest: 80, host: 8_080 }] },
    [`readiness.port | 8080 | ${reachedRule}`],
  ],
  [{ stopGraceMs: -1 }, [`stopGraceMs | -1 | ${millisecondsRule}`]],
  [{ stopGraceMs: 2 ** 31 }, [`stopGraceMs | 2147483648 | ${millisecondsRule}`]],
  [{ memoryMiB: 15 }, [`memoryMiB | 15 | ${memoryRule}`]],
  [{ memoryMiB: 1_048_577 }, [`memoryMiB | 1048577 | ${memoryRule}`]],
  [{ memoryMiB: 16.5 }, [`memoryMiB | 16.5 | ${memoryRule}`]],
  [{ memoryMiB: '128' }, [`memoryMiB | '128' | ${memoryRule}`]],
  [{ vcpus: 0 }, [`vcpus | 0 | ${processorsRule}`]],
  [{ vcpus: 257 }, [`vcpus | 257 | ${processorsRule}`]],
  [{ kernelArguments: 'quiet' }, [`kernelArguments | a text of 5 characters | ${argumentsRule}`]],
  [{ kernelArguments: ['quiet', 'a\nb'] }, [`kernelArguments[1] | a text of 3 characters | ${wordRule}`]],
  [{ kernelArguments: [7] }, [`kernelArguments[0] | a number | ${wordRule}`]],
  [{ ports: { guest: 80 } }, ['ports | an object with guest | ports (an array of at most 64)']],
  [{ ports: [80] }, ['ports[0] | 80 | a port']],
  [{ ports: [{}] }, [`ports[0].guest | nothing | ${portRule}`]],
  [{ ports: [{ guest: 0 }] }, [`ports[0].guest | 0 | ${portRule}`]],
  [{ ports: [{ guest: 80 }, { guest: 65_536 }] }, [`ports[1].guest | 65536 | ${portRule}`]],
  [{ ports: [{ guest: 80, host: -1 }] }, [`ports[0].host | -1 | ${hostPortRule}`]],
  [{ ports: [{ guest: 80, host: 65_536 }] }, [`ports[0].host | 65536 | ${hostPortRule}`]],
  [{ ports: [{ guest: 80, udp: true }] }, ['ports[0].udp | true | another key; known are guest, host, wake']],
  [
    { ports: [{ guest: 80 }, { guest: 22 }, { guest: 80, host: 1 }, { guest: 80, host: 2 }] },
    [`ports[2].guest | 80 | ${otherPortRule}`, `ports[3].guest | 80 | ${otherPortRule}`],
  ],
  [
    { ports: [{ guest: 80 }, { guest: 80 }], readiness: { kind: 'tcp', port: 81 } },
    [`ports[1].guest | 80 | ${otherPortRule}`, `readiness.port | 81 | ${reachedRule}`],
  ],
  [{ accel: 'hvf' }, [`accel | 'hvf' | ${accelRule}`]],
  [{ network: 'host' }, ["network | 'host' | one of isolated, user"]],
  [{ disk: 'disk.raw' }, [`disk | a text of 8 characters | another key; known are ${known}`]],
  [{ stopSignal: 'SIGTERM' }, [`stopSignal | a text of 7 characters | another key; known are ${known}`]],
])('refuses %j, and says why', (fields, expected) => {
  expect(faultsOf(fields)).toEqual(expected);
});

it('tells every fault at once', () => {
  const all = [...known.split(', '), 'other'];
  const faults = faultsOf(Object.fromEntries(all.map((key) => [key, null])));
  expect(faults.map((fault) => fault.split(' | ')[0]).toSorted()).toEqual(all.toSorted());
});

it('understands again what it has understood, whatever that was', () => {
  const key = fc.constantFrom(...known.split(', '), 'other');
  const value = fc.oneof(
    fc.anything(),
    fc.array(fc.string()),
    fc.constantFrom('tcg', [{ guest: 80 }], { kind: 'tcp', port: 80 }, 16),
  );
  fc.assert(
    fc.property(fc.dictionary(key, value), (fields) => {
      const decoded = decodeQemuFields(fields);
      if (E.isRight(decoded)) expect(decodeQemuFields({ ...decoded.right })).toEqual(decoded);
      else expect(decoded.left.every(({ expected }) => expected !== '')).toBe(true);
    }),
    { numRuns: 500 },
  );
});

it('takes ports whose guests differ, and no others', () => {
  const guest = fc.integer({ min: 1, max: 6 });
  fc.assert(
    fc.property(fc.array(guest, { maxLength: 8 }), (guests) => {
      const again = guests.flatMap((one, index) => (guests.indexOf(one) < index ? [index] : []));
      const faults = faultsOf({ ports: guests.map((one) => ({ guest: one })) });
      expect(faults.map((fault) => fault.split(' | ')[0])).toEqual(
        again.map((index) => `ports[${String(index)}].guest`),
      );
    }),
  );
});
