import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import type { Instance, MachineHandle } from '../../lifecycle/instance.js';
import { states } from '../../lifecycle/state.js';
import { isRecord } from '../closed.js';
import { id } from '../id.js';
import { json } from '../json.js';
import { name } from '../name.js';
import { record } from '../record.js';
import { integer, oneOf } from '../scalars.js';
import { secret } from '../secret.js';
import { optional, required, type WireObject, wireObject } from './wireObject.js';
import { wireSpec } from './wireSpec.js';
import { wireTime } from './wireTime.js';

/** All but the spec, with the exit laid out as hypeman does. */
const values = wireObject('an instance', {
  id: required('id', id),
  name: required('name', name),
  state: required('state', oneOf(states)),
  stateError: optional('state_error', t.string),
  revision: required('revision', integer('a revision', 0, Number.MAX_SAFE_INTEGER)),
  createdAt: required('created_at', wireTime),
  startedAt: optional('started_at', wireTime),
  readyBy: optional('ready_by', wireTime),
  stoppedAt: optional('stopped_at', wireTime),
  exitCode: optional('exit_code', t.union([t.number, t.null], 'a number or null')),
  exitSignal: optional('exit_signal', t.union([t.string, t.null], 'a text or null')),
  exitTimedOut: optional('exit_timed_out', oneOf(['readiness', 'run'])),
  exitOomKilled: optional('exit_oom_killed', t.literal(true)),
  exitStoppedBy: optional('exit_stopped_by', t.string),
  handle: optional('handle', secret(record('an object', t.string, json) as t.Type<MachineHandle, unknown>)),
  wasReady: optional('was_ready', t.literal(false)),
});
type Values = t.TypeOf<typeof values>;

const instanceOf = (values: Values, spec: Instance['spec']): Instance => {
  // It was made for us; to copy it takes as long as to decode it.
  if (values.exitCode === undefined) return Object.assign(values, { spec });
  const { exitCode, exitSignal = null, exitTimedOut, exitOomKilled, exitStoppedBy, ...own } = values;
  const exit = {
    ...{ code: exitCode, signal: exitSignal },
    ...(exitTimedOut && { timedOut: exitTimedOut }),
    ...(exitOomKilled && { oomKilled: exitOomKilled }),
    ...(exitStoppedBy !== undefined && { stoppedBy: exitStoppedBy }),
  };
  return { ...own, spec, exit };
};

/** The keys that are not among the values are passed over. */
const valuesOf = (instance: Instance): Values => {
  const { exit } = instance;
  if (exit === undefined) return instance;
  const { code, signal, timedOut, oomKilled, stoppedBy } = exit;
  return {
    ...{ ...instance, exitCode: code, exitSignal: signal },
    ...(timedOut && { exitTimedOut: timedOut }),
    ...(oomKilled && { exitOomKilled: oomKilled }),
    ...(stoppedBy !== undefined && { exitStoppedBy: stoppedBy }),
  };
};

/** The wire form of an instance: hypeman's, with what its spec asks for beside what it is, and times in RFC 3339. */
export const wireInstance = new t.Type<Instance, WireObject, unknown>(
  values.name,
  (value): value is Instance =>
    isRecord(value) && wireSpec.is(value['spec']) && values.is(valuesOf(value as unknown as Instance)),
  (value, context) => {
    if (!isRecord(value)) return t.failure(value, context);
    const own = values.validate(value, context);
    const spec = wireSpec.validate(value, context);
    if (E.isRight(own) && E.isRight(spec)) return t.success(instanceOf(own.right, spec.right));
    return t.failures([own, spec].flatMap((part) => (E.isLeft(part) ? part.left : [])));
  },
  (instance) => values.encodeInto(wireSpec.encodeInto({}, instance.spec), valuesOf(instance)),
);
