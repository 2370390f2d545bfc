import { states } from '../lifecycle/state.js';
import type { JsonSchema } from './described.js';

const text = { type: 'string' };
const time = { type: 'string', format: 'date-time' };
const orNull = (schema: { readonly type: string }): JsonSchema => ({
  ...schema,
  type: [schema.type, 'null'],
});
const flag = { type: 'boolean' };
const whole = { type: 'integer' };
const oneOf = (...values: readonly string[]): JsonSchema => ({ type: 'string', enum: values });
const texts = { type: 'object', additionalProperties: text };
const object = (required: Readonly<Record<string, JsonSchema>>, optional = {}): JsonSchema => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional },
});

const state = oneOf(...states);

const instance = object(
  {
    id: text,
    name: text,
    image: text,
    state,
    created_at: time,
    expires_at: orNull(time),
    hypervisor: text,
    size: text,
    hotplug_size: text,
    overlay_size: text,
    vcpus: whole,
    has_snapshot: flag,
    health_status: object(
      {
        status: oneOf('disabled', 'starting', 'healthy', 'unhealthy', 'unknown'),
        consecutive_successes: whole,
        consecutive_failures: whole,
      },
      { last_checked_at: time, last_success_at: time, last_failure_at: time, last_error: text },
    ),
    revision: whole,
    driver: text,
  },
  {
    state_error: text,
    env: texts,
    secrets: object({ version: text, names: { type: 'array', items: text } }),
    tags: texts,
    started_at: time,
    stopped_at: time,
    ready_by: time,
    exit_code: orNull(whole),
    exit_signal: orNull(text),
    exit_message: text,
    exit_timed_out: oneOf('readiness', 'run'),
    exit_oom_killed: flag,
    exit_stopped_by: text,
    network: object({ enabled: flag }, { name: text }),
    auto_standby: { type: 'object' },
    health_check: { type: 'object' },
    restart_policy: { type: 'object' },
    restart_status: object(
      { attempts: whole },
      {
        last_attempt_at: time,
        next_attempt_at: time,
        blocked_reason: oneOf('manual_stop', 'max_attempts_exceeded'),
        last_reason: oneOf('health_check_failed'),
      },
    ),
  },
);

const snapshot = object(
  {
    id: text,
    kind: oneOf('Standby', 'Stopped'),
    source_instance_id: text,
    source_instance_name: text,
    source_hypervisor: text,
    created_at: time,
    size_bytes: whole,
    compression_state: oneOf('none'),
  },
  { name: text, tags: texts },
);

const autoStandbyStatus = object({
  supported: flag,
  configured: flag,
  enabled: flag,
  eligible: flag,
  status: text,
  reason: text,
  active_inbound_connections: whole,
  tracking_mode: text,
  idle_timeout: orNull(text),
  idle_since: orNull(time),
  last_inbound_activity_at: orNull(time),
  next_standby_at: orNull(time),
  hold_until: orNull(time),
  countdown_remaining: orNull(text),
});

const queue = { high_water: whole, dropped: { type: 'object', additionalProperties: whole }, lagged: whole };
const consumer = object(
  {
    consumer: text,
    subscribers: whole,
    max_queue_depth: whole,
    ...queue,
    resumed: whole,
    thrown: whole,
  },
  {
    behind: whole,
    labelled: { type: 'array', items: object({ label: text, queue_depth: whole, ...queue }) },
  },
);
const webhook = object(
  {
    id: text,
    url: text,
    filter: { type: 'object' },
    created_at: time,
    secrets: { type: 'array', items: object({}, { until: time }) },
    status: object(
      {
        state: oneOf('active', 'failing', 'disabled'),
        cursor: text,
        lag: whole,
        attempts: whole,
        expired: whole,
      },
      {
        last_delivered_at: time,
        failing_since: time,
        next_attempt_at: time,
        last_failure: object(
          { kind: oneOf('address', 'connection', 'redirect', 'status', 'timeout'), message: text },
          { status: whole },
        ),
        disabled_at: time,
        disabled_reason: oneOf('failed', 'gone'),
      },
    ),
  },
  { secret: text },
);

/** Forms of answers that stand in the document by name. */
export const sharedSchemas = {
  Error: object({ code: text, message: text }, { error: { type: 'object' } }),
  Instance: instance,
  Snapshot: snapshot,
  AutoStandbyStatus: autoStandbyStatus,
  Webhook: webhook,
} as const;

const named = (name: keyof typeof sharedSchemas, description: string): JsonSchema => ({
  description,
  $ref: `${name}#`,
});

/** What routes answer. */
export const answers = {
  instance: named('Instance', 'The instance'),
  instances: { description: 'The instances', type: 'array', items: { $ref: 'Instance#' } },
  snapshot: named('Snapshot', 'The snapshot'),
  snapshots: { description: 'The snapshots', type: 'array', items: { $ref: 'Snapshot#' } },
  webhook: named('Webhook', 'The endpoint'),
  webhooks: { description: 'The endpoints', type: 'array', items: { $ref: 'Webhook#' } },
  autoStandby: named('AutoStandbyStatus', 'How auto-standby stands with the instance'),
  done: { description: 'It is done', type: 'null' },
  waited: {
    description: 'The state in which the wait ended',
    ...object({ state, timed_out: flag }, { state_error: text }),
  },
  logLines: {
    description: 'A line of the log as JSON in the data of each event',
    content: { 'text/event-stream': { schema: text } },
  },
  events: {
    description:
      'An event as JSON in the data of each; its id is the place to go on from. Besides: `heartbeat`, `lagged`, `cursor_expired`, `closing`. With `limit` what the log has now, and the place to go on from',
    content: {
      'text/event-stream': { schema: text },
      'application/json': {
        schema: object({ events: { type: 'array', items: { type: 'object' } }, cursor: text }),
      },
    },
  },
  called: {
    description:
      'What the verb emits, in its wire form, and the place in the log that it has reached by then',
    ...object({ value: {}, cursor: text }),
  },
  callStream: {
    description:
      'A line of the log as JSON in the data of each `line`; `value` for what comes of it, then `done`, or `failed`. Besides: `closing`',
    content: { 'text/event-stream': { schema: text } },
  },
  exec: {
    description:
      'A WebSocket. The client says first `{ arguments: [id or name, request], credit, stdin? }`, then `credit` and `end` by `type`, and bytes to be read. It is told `credit`, `alive`, `exit` or `failed` by `type`, and bytes: 1 for stdout or 2 for stderr, then what was written',
  },
  execHypeman: {
    description:
      'A WebSocket. The client says first `{ command?, env?, cwd?, timeout? }`, then what is to be read; it is told what is written, as bytes, and last `{ "exitCode": 0 }`',
  },
  health: { description: 'It serves', ...object({ status: oneOf('ok') }) },
  capabilities: {
    description: 'What this server can do',
    ...object({
      server: object({ version: text, api_version: text }),
      host: object({ os: text, arch: text }),
      default_runtime: object({ name: text, available: flag }),
      runtimes: {
        type: 'array',
        items: object({ name: text, available: flag, features: { type: 'array', items: text } }),
      },
      network: object({ model: oneOf('bridge', 'nat'), guest_to_guest: flag }),
      images: object({ default_platform: text, platforms: { type: 'array', items: text } }),
      features: { type: 'array', items: text },
    }),
  },
  consumers: { description: 'The consumers', type: 'array', items: consumer },
  metrics: { description: 'What is measured', content: { 'text/plain': { schema: text } } },
  document: { description: 'This document', type: 'object' },
} as const satisfies Readonly<Record<string, JsonSchema>>;
