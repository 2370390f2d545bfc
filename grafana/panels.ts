/** A panel of the dashboard: what it shows, and the queries that it is drawn from. */
export interface Panel {
  readonly title: string;
  readonly description: string;
  /** As Grafana calls it. */
  readonly unit: 'short' | 'ops' | 's' | 'bytes';
  readonly queries: readonly Query[];
  /** Whether the queries are parts of a whole. @defaultValue false */
  readonly isStacked?: boolean;
}

/** A query in PromQL, and what its lines are called. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** Panels that stand below one another under a title. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A series of the managers that are looked at: Prometheus calls what it scrapes an instance. */
const of = (series: string, matchers = ''): string =>
  `${series}{instance=~"$manager"${matchers === '' ? '' : `, ${matchers}`}}`;

const sum = (by: string, value: string): string =>
  by === '' ? `sum(${value})` : `sum by (${by}) (${value})`;
const legendOf = (by: string): string => by.replaceAll(/\w+/g, '{{$&}}').replaceAll(', ', ' ');

const now = (series: string, by: string, legend = legendOf(by)): Query => ({
  expr: sum(by, of(series)),
  legend,
});
const perSecond = (series: string, by: string, legend = legendOf(by), matchers = ''): Query => ({
  expr: sum(by, `rate(${of(series, matchers)}[$__rate_interval])`),
  legend,
});
const greatest = (series: string, by: string, legend: string): Query => ({
  expr: `max by (${by}) (${of(series)})`,
  legend,
});

/** How long it took for a half, and for all but one in a hundred. */
const quantiles = (series: string, by: string): readonly Query[] =>
  [0.5, 0.99].map((quantile) => {
    const buckets = `rate(${of(`${series}_bucket`)}[$__rate_interval])`;
    const percent = `p${String(quantile * 100)}`;
    return {
      expr: `histogram_quantile(${String(quantile)}, ${sum(by === '' ? 'le' : `${by}, le`, buckets)})`,
      legend: by === '' ? percent : `${legendOf(by)} ${percent}`,
    };
  });

/** All that the dashboard shows. A test holds it to the series that there are. */
export const rows: readonly Row[] = [
  {
    title: 'Instances',
    panels: [
      {
        title: 'Instances by state',
        description: 'How many there are now. Unknown ones have a driver that does not know how they are.',
        ...{ unit: 'short', isStacked: true },
        queries: [now('instances', 'state')],
      },
      {
        title: 'Instances by driver',
        description: 'How many there are now.',
        ...{ unit: 'short', isStacked: true },
        queries: [now('instances', 'driver')],
      },
      {
        title: 'Changes of state',
        description: 'By the state before and after; absent is before the first and after the last.',
        unit: 'ops',
        queries: [perSecond('instances_state_transitions_total', 'from, to', '{{from}} → {{to}}')],
      },
      {
        title: 'Events by action',
        description: 'What is told on the stream.',
        unit: 'ops',
        queries: [perSecond('instances_lifecycle_events_total', 'action')],
      },
      {
        title: 'Events by who caused them',
        description: 'Callers, controllers, and machine for what instances do by themselves.',
        unit: 'ops',
        queries: [perSecond('instances_lifecycle_events_total', 'by')],
      },
      {
        title: 'Time to Running',
        description: 'From the start until it is ready.',
        unit: 's',
        queries: quantiles('instances_time_to_running_seconds', 'driver'),
      },
    ],
  },
  {
    title: 'Verbs and waits',
    panels: [
      {
        title: 'Verbs',
        description: 'How many end, whatever comes of them.',
        unit: 'ops',
        queries: [perSecond('instances_verb_duration_seconds_count', 'verb')],
      },
      {
        title: 'Verbs that fail',
        description:
          'By the error. InvalidState and InstanceNotFound are faults of who asks, LaunchFailed of the request or the image, DriverFailed and StoreFailed of this host.',
        unit: 'ops',
        queries: [
          perSecond(
            'instances_verb_duration_seconds_count',
            'verb, result',
            '{{verb}} {{result}}',
            'result!="ok"',
          ),
        ],
      },
      {
        title: 'Time that verbs take',
        description: 'Their turn in the queue of the instance included.',
        unit: 's',
        queries: quantiles('instances_verb_duration_seconds', 'verb'),
      },
      {
        title: 'Waits that end',
        description: 'By the outcome, and by what decided it: poll means that no event told it.',
        unit: 'ops',
        queries: [perSecond('instances_waits_total', 'outcome, via')],
      },
      {
        title: 'Time that waits take',
        description: 'By the outcome.',
        unit: 's',
        queries: quantiles('instances_wait_duration_seconds', 'outcome'),
      },
      {
        title: 'Programs that end',
        description:
          'Run by exec, whatever their exit code, and what else came of it: timed_out, given_up by who asked, or the error.',
        unit: 'ops',
        queries: [perSecond('instances_exec_duration_seconds_count', 'driver, result')],
      },
      {
        title: 'Time that programs take',
        description: 'Run by exec, by what came of them.',
        unit: 's',
        queries: quantiles('instances_exec_duration_seconds', 'result'),
      },
      {
        title: 'Keeping changes',
        description: 'How long the store takes for a change and its event.',
        unit: 's',
        queries: quantiles('instances_store_commit_duration_seconds', ''),
      },
    ],
  },
  {
    title: 'Consumers of the stream',
    panels: [
      {
        title: 'Subscribers',
        description: 'Subscriptions that are open now.',
        unit: 'short',
        queries: [now('instances_lifecycle_subscribers', 'consumer')],
      },
      {
        title: 'Longest queue',
        description:
          'How many events wait for the slowest subscriber of each consumer, and how many ever did.',
        unit: 'short',
        queries: [
          greatest('instances_lifecycle_subscriber_queue_depth', 'consumer', '{{consumer}}'),
          greatest('instances_lifecycle_subscriber_queue_high_water', 'consumer', '{{consumer}} at most'),
        ],
      },
      {
        title: 'Events lost',
        description:
          'For want of room, by what the policy of the queue makes of it. Folded ones were replaced by a newer one of the same instance.',
        unit: 'ops',
        queries: [perSecond('instances_lifecycle_events_dropped_total', 'consumer, reason')],
      },
      {
        title: 'Behind',
        description: 'Events with which a durable consumer is not done. The log loses what is too old.',
        unit: 'short',
        queries: [greatest('instances_lifecycle_consumer_behind_events', 'consumer', '{{consumer}}')],
      },
      {
        title: 'Lags and resumptions',
        description:
          'How often a subscriber was told of a loss, or given a new table; and how often it was given from the log what it had no room for, which loses nothing.',
        unit: 'ops',
        queries: [
          perSecond('instances_lifecycle_subscriber_lags_total', 'consumer', '{{consumer}} lagged'),
          perSecond('instances_lifecycle_resumes_total', 'consumer', '{{consumer}} resumed'),
        ],
      },
      {
        title: 'Subscribers that threw',
        description: 'They hear nothing any more.',
        unit: 'ops',
        queries: [perSecond('instances_lifecycle_subscriber_errors_total', 'consumer')],
      },
      {
        title: 'Changes that only a poll found',
        description: 'A driver that tells nothing of what happens to its machines.',
        unit: 'ops',
        queries: [perSecond('instances_changes_found_by_poll_total', '', 'changes')],
      },
    ],
  },
  {
    title: 'Controllers',
    panels: [
      {
        title: 'What controllers do',
        description: 'By controller, what it did, and why.',
        unit: 'ops',
        queries: [perSecond('instances_controller_decisions_total', 'controller, verb, reason')],
      },
      {
        title: 'What comes of it',
        description: 'ok, or the error.',
        unit: 'ops',
        queries: [perSecond('instances_controller_decisions_total', 'controller, result')],
      },
      {
        title: 'Controllers that fail',
        description: 'Each is opened again, with a back-off.',
        unit: 'ops',
        queries: [perSecond('instances_controller_failures_total', 'controller')],
      },
      {
        title: 'Auto-standby',
        description: 'How it stands with the instances that have it.',
        ...{ unit: 'short', isStacked: true },
        queries: [now('auto_standby_instances', 'status')],
      },
      {
        title: 'Connections that keep instances awake',
        description: 'As all sources know them.',
        unit: 'short',
        queries: [now('auto_standby_active_connections', '', 'connections')],
      },
    ],
  },
  {
    title: 'Front door',
    panels: [
      {
        title: 'Connections',
        description: 'Those that there are, and those of them that still wait for their instance.',
        unit: 'short',
        queries: [
          now('front_door_connections', '', 'all'),
          now('front_door_connections_waiting', '', 'waiting'),
        ],
      },
      {
        title: 'Connections taken and refused',
        description: 'Refused ones by why.',
        unit: 'ops',
        queries: [
          perSecond('front_door_connections_accepted_total', '', 'taken'),
          perSecond('front_door_connections_refused_total', 'reason'),
        ],
      },
      {
        title: 'Wakes',
        description: 'Instances that a client woke, and those that could not be woken.',
        unit: 'ops',
        queries: [perSecond('front_door_wakes_total', 'result')],
      },
      {
        title: 'Ports',
        description: 'On which it listens, and on which it can not for now.',
        unit: 'short',
        queries: [now('front_door_ports', '', 'listening'), now('front_door_ports_retrying', '', 'retrying')],
      },
      {
        title: 'Memory held for clients',
        description: 'What they said that no instance has taken yet.',
        unit: 'bytes',
        queries: [now('front_door_held_bytes', '', 'held')],
      },
    ],
  },
  {
    title: 'Webhooks',
    panels: [
      {
        title: 'Endpoints',
        description: 'Disabled ones are sent nothing any more, until they are enabled.',
        ...{ unit: 'short', isStacked: true },
        queries: [now('webhook_endpoints', 'state')],
      },
      {
        title: 'Events behind',
        description: 'Of the endpoint that is furthest behind.',
        unit: 'short',
        queries: [greatest('webhook_lag_events', 'instance', '{{instance}}')],
      },
      {
        title: 'Attempts',
        description: 'By what came of them.',
        unit: 'ops',
        queries: [perSecond('webhook_attempts_total', 'outcome')],
      },
      {
        title: 'Events that the log lost first',
        description: 'How often an endpoint was so far behind that the log had lost what it was to be sent.',
        unit: 'ops',
        queries: [perSecond('webhook_cursors_expired_total', '', 'losses')],
      },
    ],
  },
];
