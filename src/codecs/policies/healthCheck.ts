import * as t from 'io-ts';
import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import type { HealthCheck } from '../../lifecycle/healthCheck.js';
import { boundedList } from '../boundedList.js';
import { closed } from '../closed.js';
import { cText, integer, longestTimerMs, oneOf, port, text, workPlace } from '../scalars.js';
import { secret } from '../secret.js';
import { tagged } from '../tagged.js';
import { optional, required, wireObject } from '../wire/wireObject.js';
import { wireDuration } from '../wire/wireDuration.js';
import { keptAs } from './keptAs.js';

const path = text('a path with its leading slash', (value) => /^\/[\x21-\x7e]*$/.test(value));
const status = integer('HTTP status', 100, 599);
const schemes = ['http', 'https'] as const;
const times = {
  intervalMs: integer('milliseconds', 1, longestTimerMs),
  timeoutMs: integer('milliseconds', 1, longestTimerMs),
  startPeriodMs: integer('milliseconds', 0, longestTimerMs),
  failureThreshold: integer('failures', 1, 1_000_000),
  successThreshold: integer('successes', 1, 1_000_000),
};
// An argument may be a password.
const command = secret(boundedList('a program and its arguments (1 to 1000)', cText, 1, 1_000));

const defaults = {
  intervalMs: 10_000,
  startPeriodMs: 30_000,
  failureThreshold: 3,
  successThreshold: 1,
};
const timeoutIn = (intervalMs: number): number => Math.min(2_000, intervalMs);

/** Decodes a {@link HealthCheck} as it is asked for; what is left open is hypeman's default. `none` is none. */
export const healthCheck = keptAs(
  tagged('a health check', 'kind', {
    none: closed('no health check', { kind: t.literal('none') }, {}),
    http: closed(
      'a health check by HTTP',
      { kind: t.literal('http'), port },
      { path, scheme: oneOf(schemes), expectedStatus: status, ...times },
    ),
    tcp: closed('a health check by TCP', { kind: t.literal('tcp'), port }, times),
    exec: closed(
      'a health check by a program',
      { kind: t.literal('exec'), command },
      { cwd: workPlace, ...times },
    ),
  }),
  (asked): HealthCheck | undefined => {
    if (asked.kind === 'none') return undefined;
    const { intervalMs = defaults.intervalMs } = asked;
    const clocks = { ...defaults, timeoutMs: timeoutIn(intervalMs) };
    return asked.kind === 'http'
      ? { path: '/', scheme: 'http', expectedStatus: 200, ...clocks, ...asked }
      : { ...clocks, ...asked };
  },
  (asked) => {
    if (asked.kind === 'none') return undefined;
    const { intervalMs = defaults.intervalMs, timeoutMs = timeoutIn(intervalMs) } = asked;
    return timeoutMs <= intervalMs
      ? undefined
      : { key: 'timeoutMs', found: timeoutMs, expected: `the interval (${String(intervalMs)}) or less` };
  },
);

const count = integer('a count', 0, Number.MAX_SAFE_INTEGER);
const clocks = {
  intervalMs: required('interval', wireDuration),
  timeoutMs: required('timeout', wireDuration),
  startPeriodMs: required('start_period', wireDuration),
  failureThreshold: required('failure_threshold', count),
  successThreshold: required('success_threshold', count),
};
const probes = {
  http: wireObject('an HTTP probe', {
    port: required('port', t.number),
    path: required('path', t.string),
    scheme: required('scheme', oneOf(schemes)),
    expectedStatus: required('expected_status', t.number),
  }),
  tcp: wireObject('a TCP probe', { port: required('port', t.number) }),
  exec: wireObject('a program', {
    command: required('command', secret(t.readonlyArray(t.string, 'texts'))),
    cwd: optional('working_dir', t.string),
  }),
};
const layout = wireObject('a health check', {
  kind: required('type', oneOf(['http', 'tcp', 'exec'])),
  ...clocks,
  http: optional('http', probes.http),
  tcp: optional('tcp', probes.tcp),
  exec: optional('exec', probes.exec),
});
type Layout = t.TypeOf<typeof layout>;

const layoutOf = (check: HealthCheck): Layout => ({ ...check, [check.kind]: check });

/** The wire form of a {@link HealthCheck}: hypeman's, in which the probe stands under its kind. */
export const wireHealthCheck = new t.Type<HealthCheck, unknown>(
  layout.name,
  (value): value is HealthCheck =>
    typeof value === 'object' && value !== null && isProbed(layoutOf(value as HealthCheck)),
  (value, context) =>
    pipe(
      layout.validate(value, context),
      E.chain((decoded) => {
        const { http, tcp, exec, ...own } = decoded;
        const probe = { http, tcp, exec }[own.kind];
        return probe === undefined
          ? t.failure(probe, t.appendContext(context, own.kind, probes[own.kind], probe))
          : t.success({ ...own, ...probe } as HealthCheck);
      }),
    ),
  (check) => layout.encode(layoutOf(check)),
);

const isProbed = (value: unknown): boolean => layout.is(value) && value[value.kind] !== undefined;
