import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { decode, found } from '../../codecs/decode.js';
import { secret } from '../../codecs/secret.js';
import { integer, longestTimerMs, oneOf, text } from '../../codecs/scalars.js';
import type { Fault } from '../../lifecycle/errors.js';
import type { DriverFields } from '../../lifecycle/instance.js';
import { faultsOfPorts, ports } from '../ports.js';
import { programArguments } from '../../codecs/programArguments.js';
import { readiness } from '../readiness.js';

/** Decodes what a request says to this driver alone. A port by which a guest is seen to be ready has to be forwarded. */
export function decodeQemuFields(
  fields: Readonly<Record<string, unknown>>,
): E.Either<readonly Fault[], DriverFields> {
  const decoded = decode(qemuFields, fields);
  if (E.isLeft(decoded)) return decoded;
  const { ports: said = [], readiness: asked } = decoded.right;
  const faults: Fault[] = [...faultsOfPorts(said)];
  if (asked !== undefined && asked.kind !== 'log' && !said.some(({ guest }) => guest === asked.port)) {
    const expected = 'the guest port of one of ports, so that this host reaches it';
    faults.push({ path: 'readiness.port', found: found(asked.port), expected });
  }
  return faults.length > 0 ? E.left(faults) : decoded;
}

const word = text('a text without control characters', (value) => !/\p{Cc}/u.test(value));

const qemuFields = closed(
  'fields of a virtual machine',
  {},
  {
    entrypoint: programArguments,
    cmd: programArguments,
    readiness,
    stopGraceMs: integer('milliseconds', 0, longestTimerMs),
    memoryMiB: integer('MiB', 16, 1_048_576),
    vcpus: integer('processors', 1, 256),
    kernelArguments: secret(t.readonlyArray(word, 'arguments (an array of texts)')),
    ports,
    accel: oneOf(['kvm', 'tcg']),
    network: oneOf(['isolated', 'user']),
  },
);
