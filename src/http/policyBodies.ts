import * as t from 'io-ts';
import type {
  AutoStandbyRequest,
  HealthCheckRequest,
  PolicyRequests,
  RestartPolicyRequest,
} from '../instances/instanceRequests.js';
import { longestTimerMs, port } from '../codecs/scalars.js';
import { described, describedObject, type ValueOf } from './described.js';
import { choice, duration, flag, text, texts, time, whole } from './values.js';

const tcpPort = described(port, { type: 'integer', minimum: 1, maximum: 65_535 });
const many = 1_000_000;

const autoStandby = describedObject(
  'auto-standby',
  {},
  {
    enabled: flag,
    idle_timeout: duration,
    ignore_source_cidrs: described(t.readonlyArray(t.string, 'networks'), {
      type: 'array',
      items: { type: 'string' },
    }),
    ignore_destination_ports: described(t.readonlyArray(port, 'TCP ports'), {
      type: 'array',
      items: tcpPort.schema,
    }),
  },
);

const restartPolicy = describedObject(
  'a restart policy',
  {},
  {
    policy: choice(['never', 'always', 'on_failure']),
    backoff: duration,
    max_backoff: duration,
    max_attempts: whole('attempts', 0, longestTimerMs),
    stable_after: duration,
  },
);

const healthCheck = describedObject(
  'a health check',
  {},
  {
    type: choice(['none', 'http', 'tcp', 'exec']),
    interval: duration,
    timeout: duration,
    start_period: duration,
    failure_threshold: whole('failures', 1, many),
    success_threshold: whole('successes', 1, many),
    http: describedObject(
      'an HTTP probe',
      { port: tcpPort },
      { path: text, scheme: choice(['http', 'https']), expected_status: whole('HTTP status', 100, 599) },
    ),
    tcp: describedObject('a TCP probe', { port: tcpPort }, {}),
    exec: describedObject('a program', { command: texts }, { working_dir: text }),
  },
);

/** How policies are asked for: hypeman's fields. */
export const policyFields = {
  auto_standby: autoStandby,
  restart_policy: restartPolicy,
  health_check: healthCheck,
  ttl: duration,
  expires_at: time,
};

type PolicyBody = {
  readonly [K in keyof typeof policyFields]?: ValueOf<(typeof policyFields)[K]> | undefined;
};

/** What is asked for, in the words of this package. What contradicts itself its codecs tell. */
export function policyRequests(body: PolicyBody): PolicyRequests {
  const { auto_standby: standby, restart_policy: restart, health_check: check, ttl, expires_at } = body;
  return said({
    autoStandby: standby && autoStandbyRequest(standby),
    restartPolicy: restart && restartPolicyRequest(restart),
    healthCheck: check && healthCheckRequest(check),
    ttlMs: ttl,
    expiresAt: expires_at,
  });
}

const autoStandbyRequest = (asked: ValueOf<typeof autoStandby>): AutoStandbyRequest =>
  said({
    enabled: asked.enabled ?? false,
    idleTimeoutMs: asked.idle_timeout,
    ignoreSourceCidrs: asked.ignore_source_cidrs,
    ignoreDestinationPorts: asked.ignore_destination_ports,
  });

const restartPolicyRequest = (asked: ValueOf<typeof restartPolicy>): RestartPolicyRequest =>
  said({
    policy: asked.policy ?? 'never',
    backoffMs: asked.backoff,
    maxBackoffMs: asked.max_backoff,
    maxAttempts: asked.max_attempts,
    stableAfterMs: asked.stable_after,
  });

/** The probe stands under its kind, and one of another kind may stand beside it. */
function healthCheckRequest(asked: ValueOf<typeof healthCheck>): HealthCheckRequest {
  const { type = 'none', http, tcp, exec } = asked;
  if (type === 'none') return { kind: 'none' };
  const probe = {
    http: http && {
      port: http.port,
      path: http.path,
      scheme: http.scheme,
      expectedStatus: http.expected_status,
    },
    tcp,
    exec: exec && { command: exec.command, cwd: exec.working_dir },
  }[type];
  return said({
    kind: type,
    intervalMs: asked.interval,
    timeoutMs: asked.timeout,
    startPeriodMs: asked.start_period,
    failureThreshold: asked.failure_threshold,
    successThreshold: asked.success_threshold,
    ...probe,
  }) as HealthCheckRequest;
}

type Said<A> = { readonly [K in keyof A]: Exclude<A[K], undefined> };

/** Leaves out what was left open. */
export const said = <A extends object>(fields: A): Said<A> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Said<A>;
