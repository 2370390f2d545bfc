import * as t from 'io-ts';
import { json } from '../json.js';
import { record } from '../record.js';
import { integer, oneOf } from '../scalars.js';
import { wireInstance } from './wireInstance.js';
import { optional, required, wireObject } from './wireObject.js';
import { wireSnapshot } from './wireSnapshot.js';
import { wireTime } from './wireTime.js';

/** How a verb of instances is called from afar: by its arguments as JSON, the last of which may be options, and with this result. */
export interface WireCall {
  /** How many arguments it takes at most. */
  readonly takes: number;
  /** Whether the last of them says how it is called. */
  readonly hasOptions: boolean;
  /** How what it emits is written. */
  readonly result: t.Mixed;
}

/** The wire form of a line of a log. */
export const wireLogLine = wireObject('a line', {
  time: optional('time', wireTime),
  stream: required('stream', oneOf(['stdout', 'stderr'])),
  text: required('text', t.string),
  partial: required('partial', t.boolean),
  gap: optional('gap', t.literal(true)),
  cursor: required('cursor', integer('a cursor', 0, Number.MAX_SAFE_INTEGER)),
  run: optional('run', t.string),
});

const endpoint = wireObject('an endpoint', {
  host: required('host', t.string),
  port: required('port', integer('a port', 1, 65_535)),
});

const status = record('an object', t.string, json);

const runOutcome = wireObject('an outcome', {
  exit: required(
    'exit',
    wireObject('an exit', {
      code: required('code', t.union([t.number, t.null], 'a number or null')),
      signal: required('signal', t.union([t.string, t.null], 'a text or null')),
      timedOut: optional('timed_out', oneOf(['readiness', 'run'])),
      stoppedBy: optional('stopped_by', t.string),
    }),
  ),
  stdout: required('stdout', t.string),
  stderr: required('stderr', t.string),
  truncated: required('truncated', t.boolean),
  instance: required('instance', wireInstance),
});

const emits = <Result extends t.Mixed>(result: Result, takes: number) =>
  ({ takes, hasOptions: false, result }) as const;
const emitsBy = <Result extends t.Mixed>(result: Result, takes: number) =>
  ({ takes, hasOptions: true, result }) as const;

/** Every verb of instances. */
export const wireCalls = {
  create: emitsBy(wireInstance, 2),
  ensure: emitsBy(wireInstance, 2),
  run: emitsBy(runOutcome, 2),
  get: emits(wireInstance, 1),
  list: emits(t.readonlyArray(wireInstance, 'instances'), 1),
  update: emitsBy(wireInstance, 3),
  start: emitsBy(wireInstance, 3),
  stop: emitsBy(wireInstance, 2),
  standby: emitsBy(wireInstance, 2),
  restore: emitsBy(wireInstance, 2),
  restart: emitsBy(wireInstance, 2),
  delete: emitsBy(wireInstance, 2),
  refresh: emits(wireInstance, 1),
  fork: emitsBy(wireInstance, 3),
  signal: emits(wireInstance, 2),
  endpoint: emits(endpoint, 2),
  logs: emits(wireLogLine, 2),
  status: emits(status, 1),
  hold: emits(wireInstance, 1),
  createSnapshot: emitsBy(wireSnapshot, 3),
  listSnapshots: emits(t.readonlyArray(wireSnapshot, 'snapshots'), 1),
  getSnapshot: emits(wireSnapshot, 1),
  deleteSnapshot: emitsBy(wireSnapshot, 2),
  forkSnapshot: emitsBy(wireInstance, 3),
  restoreSnapshot: emitsBy(wireInstance, 4),
} as const satisfies Readonly<Record<string, WireCall>>;
