/** A rule of Prometheus that tells of something which somebody should look at. */
export interface Alert {
  readonly name: string;
  /** `critical`: work is lost or not done. `warning`: it will be, if nobody looks. */
  readonly severity: 'critical' | 'warning';
  readonly expr: string;
  /** How long it has to hold, as Prometheus writes it. @defaultValue tells at once */
  readonly holds?: string;
  readonly summary: string;
  /** What to do. */
  readonly runbook: string;
}

const sum = (by: string, value: string): string => `sum by (${by}) (${value})`;
const increase = (series: string, window: string): string => `increase(${series}[${window}])`;

/** The same of a series that appears with its first 1, which `increase` does not see. */
const growth = (series: string, window: string): string =>
  `(${series} unless ${series} offset ${window}) or ${increase(series, window)}`;

const verbsEnded = (result: string): string => `instances_verb_duration_seconds_count{result="${result}"}`;

/** Every alert. By `instance` Prometheus means what it scrapes: a manager. */
export const alerts: readonly Alert[] = [
  {
    name: 'InstancesUnknown',
    severity: 'critical',
    expr: `${sum('instance, driver', 'instances{state="Unknown"}')} > 0`,
    holds: '5m',
    summary: 'Instances of {{ $labels.driver }} are Unknown: its driver does not know how they are',
    runbook:
      'Read `state_error` of the instances and the log of the manager; `refresh` looks again, and `stop` gives them up.',
  },
  {
    name: 'InstanceLaunchesFailing',
    severity: 'warning',
    expr: `${sum('instance, verb', growth(verbsEnded('LaunchFailed'), '10m'))} > 0`,
    summary: 'Programs or machines could not be launched by {{ $labels.verb }}',
    runbook:
      'The message of LaunchFailed says what is missing: the program, the image, memory, or readiness in time.',
  },
  {
    name: 'InstanceDriverFailing',
    severity: 'critical',
    expr: `${sum('instance, verb', growth(verbsEnded('DriverFailed'), '10m'))} > 0`,
    summary: 'A driver failed in {{ $labels.verb }}',
    runbook:
      'The log of the manager has the error with its cause; look at disk, memory and permissions of the host.',
  },
  {
    name: 'InstanceStoreFailing',
    severity: 'critical',
    expr: `${sum('instance, verb', growth(verbsEnded('StoreFailed'), '10m'))} > 0`,
    summary: 'The store could not keep what {{ $labels.verb }} did',
    runbook:
      'Nothing can be changed until it can be kept: see whether the disk of the data directory is full or broken.',
  },
  {
    name: 'InstanceStoreSlow',
    severity: 'warning',
    expr: `histogram_quantile(0.99, ${sum('instance, le', 'rate(instances_store_commit_duration_seconds_bucket[10m])')}) > 1`,
    holds: '10m',
    summary: 'One change in a hundred takes the store more than a second to keep',
    runbook:
      'Every verb waits for it: find out who else writes to that disk, or put the data directory on a faster one.',
  },
  {
    name: 'InstanceEventsLost',
    severity: 'warning',
    expr: `${sum('instance, consumer, reason', increase('instances_lifecycle_events_dropped_total{reason!="folded"}', '10m'))} > 0`,
    summary: 'The consumer {{ $labels.consumer }} has lost events ({{ $labels.reason }})',
    runbook:
      'Give it a larger `capacity`, more `concurrency` or less to do; with `overflow: resume` it loses nothing, and reads what waits from the log.',
  },
  {
    name: 'InstanceConsumerBehind',
    severity: 'warning',
    expr: `max by (instance, consumer) (min_over_time(instances_lifecycle_subscriber_queue_depth[10m])) > 0`,
    holds: '10m',
    summary: 'The queue of the consumer {{ $labels.consumer }} has not been empty for twenty minutes',
    runbook:
      'It is slower than events come, or hangs: a durable one falls behind until the log has lost its place, another one loses events. See what its work waits for.',
  },
  {
    name: 'InstanceConsumerThrew',
    severity: 'critical',
    expr: `${sum('instance, consumer', growth('instances_lifecycle_subscriber_errors_total', '10m'))} > 0`,
    summary: 'A subscriber of {{ $labels.consumer }} threw, and hears nothing any more',
    runbook:
      'The error is in the log of the manager; mend it and subscribe again, or restart the application.',
  },
  {
    name: 'InstanceControllerFailing',
    severity: 'critical',
    expr: `${sum('instance, controller', growth('instances_controller_failures_total', '15m'))} > 0`,
    summary: 'The controller {{ $labels.controller }} fails, and is opened again and again',
    runbook: 'What it sees to is not done meanwhile; the log of the manager has its error.',
  },
  {
    name: 'InstanceCrashLoop',
    severity: 'warning',
    expr: `${sum('instance, reason', growth('instances_controller_decisions_total{controller="restart_policy"}', '15m'))} > 10`,
    summary: 'Instances are started again and again ({{ $labels.reason }})',
    runbook:
      'Their status says which and how often; read their logs, and mend the program or its health check.',
  },
  {
    name: 'AutoStandbyFailing',
    severity: 'warning',
    expr: `${sum('instance', 'auto_standby_instances{status="error"}')} > 0`,
    holds: '10m',
    summary: 'Instances that should sleep can not be put on standby',
    runbook: 'They cost as much as if they were used: their status has the error.',
  },
  {
    name: 'FrontDoorWakesFailing',
    severity: 'critical',
    expr: `${sum('instance', increase('front_door_wakes_total{result="failed"}', '10m'))} > 0`,
    summary: 'Clients came to instances that could not be woken',
    runbook:
      'The log of the manager says why the restore failed; an instance whose memory can not be used any more can be stopped and started.',
  },
  {
    name: 'FrontDoorPortsRetrying',
    severity: 'critical',
    expr: `${sum('instance', 'front_door_ports_retrying')} > 0`,
    holds: '5m',
    summary: 'The front door can not listen on some of its ports',
    runbook:
      'Somebody else has them, or the address is not there: the status of the instances names port and error.',
  },
  {
    name: 'FrontDoorRefuses',
    severity: 'warning',
    expr: `${sum('instance, reason', increase('front_door_connections_refused_total{reason=~"limit|timeout|unreachable"}', '10m'))} > 10`,
    summary: 'The front door refuses clients ({{ $labels.reason }})',
    runbook:
      'limit: the port has as many clients as it may have. timeout: the instance answers too late. unreachable: it runs, and listens on another port or not at all.',
  },
  {
    name: 'WebhookGivenUp',
    severity: 'critical',
    expr: `${sum('instance', 'webhook_endpoints{state="disabled"}')} > 0`,
    summary: 'Endpoints of webhooks are disabled: they are sent nothing any more',
    runbook: 'Mend the receiver, then `enable` the endpoint, which goes on where it was; or `remove` it.',
  },
  {
    name: 'WebhookBehind',
    severity: 'warning',
    expr: `${sum('instance', 'webhook_lag_events')} > 1000`,
    holds: '15m',
    summary: 'An endpoint of webhooks is more than a thousand events behind',
    runbook:
      'See what its receiver answers; it is given up after some time, and the log loses what is too old.',
  },
  {
    name: 'ConsumerBehind',
    severity: 'warning',
    expr: `${sum('instance, consumer', 'instances_lifecycle_consumer_behind_events')} > 1000`,
    holds: '15m',
    summary: 'A durable consumer is more than a thousand events behind',
    runbook:
      'See what its work waits for, or give it more `concurrency`; the log loses what is too old, and it fails with `CursorExpired` then.',
  },
  {
    name: 'WebhookEventsExpired',
    severity: 'critical',
    expr: `${sum('instance', increase('webhook_cursors_expired_total', '10m'))} > 0`,
    summary: 'The log has lost events that an endpoint of webhooks was to be sent',
    runbook:
      'Its receiver has to read the table anew (`GET /instances`); give the log more room, `storage.log_max_bytes`, if that happens again.',
  },
];

/** The rules as Prometheus loads them. */
export const rules = () => ({
  groups: [
    {
      name: 'rx-instances',
      rules: alerts.map(({ name, severity, expr, holds, summary, runbook }) => ({
        alert: name,
        expr,
        ...(holds !== undefined && { for: holds }),
        labels: { severity },
        annotations: { summary, runbook },
      })),
    },
  ],
});
