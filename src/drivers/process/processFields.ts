import * as E from 'fp-ts/lib/Either.js';
import { constants } from 'node:os';
import { closed } from '../../codecs/closed.js';
import { decode, found } from '../../codecs/decode.js';
import { limitCodecs } from '../../codecs/limits.js';
import { integer, longestTimerMs, oneOf, text, workPlace } from '../../codecs/scalars.js';
import type { Fault } from '../../lifecycle/errors.js';
import type { DriverFields } from '../../lifecycle/instance.js';
import { realTimeSignals } from '../host/realTimeSignals.js';
import { faultsOfPorts, ports } from '../ports.js';
import { programArguments } from '../../codecs/programArguments.js';
import { faultsOfLimits } from './processLimits.js';
import { readiness } from '../readiness.js';

/** Decodes what a request says to this driver alone. There has to be a program: the first of entrypoint and cmd. */
export function decodeProcessFields(
  fields: Readonly<Record<string, unknown>>,
): E.Either<readonly Fault[], DriverFields> {
  const decoded = decode(processFields, fields);
  if (E.isLeft(decoded)) return decoded;
  const { entrypoint = [], cmd = [], ports: said = [] } = decoded.right;
  const [program = ''] = [...entrypoint, ...cmd];
  const expected = 'a program, as the first text of entrypoint or, without one, of cmd';
  const faults = [
    ...(program === '' ? [{ path: 'entrypoint', found: found(fields['entrypoint']), expected }] : []),
    ...faultsOfPorts(said),
    ...faultsOfLimits(decoded.right),
  ];
  return faults.length > 0 ? E.left(faults) : decoded;
}

/** Names of the signals that this system has. */
export const signalNames: readonly string[] = [...Object.keys(constants.signals), ...realTimeSignals];

/** Elsewhere what becomes of a pipe that is opened for both reading and writing is not said. */
const outputs = process.platform === 'linux' ? (['pipes', 'file'] as const) : (['file'] as const);

const processFields = closed(
  'fields of a process',
  {},
  {
    entrypoint: programArguments,
    cmd: programArguments,
    cwd: workPlace,
    readiness,
    ports,
    ...limitCodecs,
    stopSignal: text('the name of a signal, such as SIGTERM or SIGRTMIN+3', (name) =>
      signalNames.includes(name),
    ),
    output: oneOf(outputs),
    stopGraceMs: integer('milliseconds', 0, longestTimerMs),
  },
);
