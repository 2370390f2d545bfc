import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { alerts } from '../../grafana/alerts.js';

/** What a series is from minute to minute, as promtool writes it: `0+1x60` grows by one in each of sixty. */
type Input = Readonly<Record<string, string>>;

interface Case {
  /** What makes it tell, and the labels that it has then. */
  readonly fires: Input;
  readonly labels: Readonly<Record<string, string>>;
  /** What does not, though it is near. */
  readonly quiet: Input;
}

const verbs = (result: string): Case => ({
  // It appears with its first.
  fires: {
    [`instances_verb_duration_seconds_count{instance="a", verb="start", result="${result}"}`]: '_x55 1x5',
  },
  labels: { verb: 'start' },
  quiet: {
    [`instances_verb_duration_seconds_count{instance="a", verb="start", result="${result}"}`]: '1x30 2x30',
    'instances_verb_duration_seconds_count{instance="a", verb="start", result="ok"}': '0+9x60',
    'instances_verb_duration_seconds_count{instance="a", verb="stop", result="InvalidState"}': '0+9x60',
  },
});

const commits = (slow: number): Input => ({
  'instances_store_commit_duration_seconds_bucket{instance="a", le="1"}': `0+${String(100 - slow)}x60`,
  'instances_store_commit_duration_seconds_bucket{instance="a", le="2"}': '0+100x60',
  'instances_store_commit_duration_seconds_bucket{instance="a", le="+Inf"}': '0+100x60',
});

const cases: Readonly<Record<string, Case>> = {
  InstancesUnknown: {
    fires: { 'instances{instance="a", driver="qemu", state="Unknown"}': '0x50 1x10' },
    labels: { driver: 'qemu' },
    quiet: {
      'instances{instance="a", driver="qemu", state="Unknown"}': '0x40 1x2 0x18',
      'instances{instance="a", driver="qemu", state="Stopped"}': '1x60',
    },
  },
  InstanceLaunchesFailing: verbs('LaunchFailed'),
  InstanceDriverFailing: verbs('DriverFailed'),
  InstanceStoreFailing: verbs('StoreFailed'),
  InstanceStoreSlow: { fires: commits(2), labels: {}, quiet: commits(0) },
  InstanceEventsLost: {
    fires: {
      'instances_lifecycle_events_dropped_total{instance="a", consumer="billing", reason="buffer_full"}':
        '0x55 3x5',
    },
    labels: { consumer: 'billing', reason: 'buffer_full' },
    quiet: {
      'instances_lifecycle_events_dropped_total{instance="a", consumer="billing", reason="buffer_full"}':
        '3x60',
      'instances_lifecycle_events_dropped_total{instance="a", consumer="table", reason="folded"}': '0+9x60',
    },
  },
  InstanceConsumerBehind: {
    fires: { 'instances_lifecycle_subscriber_queue_depth{instance="a", consumer="billing"}': '0x20 7x40' },
    labels: { consumer: 'billing' },
    quiet: {
      'instances_lifecycle_subscriber_queue_depth{instance="a", consumer="billing"}': '200x50 0 200x9',
    },
  },
  InstanceConsumerThrew: {
    fires: { 'instances_lifecycle_subscriber_errors_total{instance="a", consumer="billing"}': '0x55 1x5' },
    labels: { consumer: 'billing' },
    quiet: { 'instances_lifecycle_subscriber_errors_total{instance="a", consumer="billing"}': '0x30 1x30' },
  },
  InstanceControllerFailing: {
    fires: { 'instances_controller_failures_total{instance="a", controller="warm"}': '_x55 1x5' },
    labels: { controller: 'warm' },
    quiet: { 'instances_controller_failures_total{instance="a", controller="warm"}': '_x30 1x30' },
  },
  InstanceCrashLoop: {
    fires: {
      'instances_controller_decisions_total{instance="a", controller="restart_policy", verb="start", reason="exit", result="ok"}':
        '0+1x60',
    },
    labels: { reason: 'exit' },
    quiet: {
      'instances_controller_decisions_total{instance="a", controller="restart_policy", verb="start", reason="exit", result="ok"}':
        '0x55 1+1x5',
      'instances_controller_decisions_total{instance="a", controller="health_check", verb="probe", reason="interval", result="ok"}':
        '0+9x60',
    },
  },
  AutoStandbyFailing: {
    fires: { 'auto_standby_instances{instance="a", status="error"}': '0x40 1x20' },
    labels: {},
    quiet: {
      'auto_standby_instances{instance="a", status="error"}': '0x55 1x5',
      'auto_standby_instances{instance="a", status="active"}': '5x60',
    },
  },
  FrontDoorWakesFailing: {
    fires: { 'front_door_wakes_total{instance="a", result="failed"}': '0x55 1x5' },
    labels: {},
    quiet: {
      'front_door_wakes_total{instance="a", result="failed"}': '0x30 1x30',
      'front_door_wakes_total{instance="a", result="ok"}': '0+9x60',
    },
  },
  FrontDoorPortsRetrying: {
    fires: { 'front_door_ports_retrying{instance="a"}': '0x50 1x10' },
    labels: {},
    quiet: { 'front_door_ports_retrying{instance="a"}': '0x50 1x3 0x7' },
  },
  FrontDoorRefuses: {
    fires: { 'front_door_connections_refused_total{instance="a", reason="timeout"}': '0+2x60' },
    labels: { reason: 'timeout' },
    quiet: {
      'front_door_connections_refused_total{instance="a", reason="timeout"}': '0x55 0+1x5',
      'front_door_connections_refused_total{instance="a", reason="closing"}': '0+9x60',
    },
  },
  WebhookGivenUp: {
    fires: { 'webhook_endpoints{instance="a", state="disabled"}': '0x59 1' },
    labels: {},
    quiet: {
      'webhook_endpoints{instance="a", state="disabled"}': '0x60',
      'webhook_endpoints{instance="a", state="failing"}': '3x60',
    },
  },
  WebhookBehind: {
    fires: { 'webhook_lag_events{instance="a"}': '0x30 2000x30' },
    labels: {},
    quiet: { 'webhook_lag_events{instance="a"}': '0x40 2000x10 900x10' },
  },
  ConsumerBehind: {
    fires: { 'instances_lifecycle_consumer_behind_events{instance="a", consumer="billing"}': '0x30 2000x30' },
    labels: { consumer: 'billing' },
    quiet: {
      'instances_lifecycle_consumer_behind_events{instance="a", consumer="billing"}': '0x40 2000x10 900x10',
    },
  },
  WebhookEventsExpired: {
    fires: { 'webhook_cursors_expired_total{instance="a"}': '0x55 1x5' },
    labels: {},
    quiet: { 'webhook_cursors_expired_total{instance="a"}': '1x60' },
  },
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'alerts-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const promtool = (...options: readonly string[]): string =>
  execFileSync('promtool', options, { encoding: 'utf8', stdio: 'pipe' });

/** Whether an alert tells after an hour of this, in the words of promtool. */
const told = (name: string, series: Input, expected: readonly object[]): object => ({
  interval: '1m',
  input_series: Object.entries(series).map(([key, values]) => ({ series: key, values })),
  alert_rule_test: [{ eval_time: '1h', alertname: name, exp_alerts: expected }],
});

test('Prometheus takes the rules', () => {
  expect(promtool('check', 'rules', 'grafana/alerts.yaml')).toContain(
    `SUCCESS: ${String(alerts.length)} rules found`,
  );
});

test.each(alerts)('$name tells when it has to, and not before', ({ name, severity, summary, runbook }) => {
  const { fires, labels, quiet } = cases[name] ?? { fires: {}, labels: {}, quiet: {} };
  const filled = (text: string): string =>
    text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? 'no such label');
  const expected = {
    exp_labels: { ...labels, severity, instance: 'a' },
    exp_annotations: { summary: filled(summary), runbook },
  };
  const file = join(folder, `${name}.yaml`);
  const tests = [told(name, fires, [expected]), told(name, quiet, [])];
  writeFileSync(file, stringify({ rule_files: [resolve('grafana/alerts.yaml')], tests }));
  expect(promtool('test', 'rules', file)).toContain('SUCCESS');
});
