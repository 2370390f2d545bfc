import { Registry } from 'prom-client';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { aSnapshot } from '../store/changes.js';
import { type Action, actions, type InstanceAction, type State } from '../../src/lifecycle/state.js';
import { eventMetrics } from '../../src/metrics/eventMetrics.js';

const begin = Date.UTC(2026, 0, 1);

const instance = (state: State, startedAt?: number): Instance => ({
  id: 'web',
  name: 'web',
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  state,
  revision: 1,
  createdAt: begin,
  ...(startedAt === undefined ? {} : { startedAt }),
});

const log = { epoch: 'e', sequence: 1, instanceId: 'web', cause: { by: 'caller' } };
const after = (seconds: number): number => begin + seconds * 1_000;

const created = (state: State, seconds: number): LifecycleEvent => ({
  ...log,
  action: 'create',
  instance: instance(state, begin),
  time: after(seconds),
});

const changed = (
  action: Exclude<InstanceAction, 'create' | 'fork' | 'delete'>,
  previousState: State,
  state: State,
  seconds = 0,
): LifecycleEvent => ({
  ...log,
  action,
  previousState,
  instance: instance(state, begin),
  time: after(seconds),
});

const deleted: LifecycleEvent = { ...log, action: 'delete', previousState: 'Stopped', time: begin };

/** Lines of one metric, those of buckets left out. */
async function scrape(name: string, ...events: readonly LifecycleEvent[]): Promise<readonly string[]> {
  const registry = new Registry();
  const count = eventMetrics((base) => ({ name: base, registers: [registry] }));
  for (const event of events) count(event);
  const text = await registry.getSingleMetricAsString(name);
  return text
    .split('\n')
    .filter((line) => !line.includes('_bucket'))
    .map((line) => line.replace(name, ''));
}

test('events are counted by action and by who asked for it, every action also at 0', async () => {
  const [help, type, ...lines] = await scrape(
    'instances_lifecycle_events_total',
    created('Running', 0),
    changed('stop', 'Running', 'Stopped'),
    changed('start', 'Stopped', 'Running'),
    changed('stop', 'Running', 'Stopped'),
    deleted,
  );
  expect(help).toBe('# HELP  Total number of lifecycle events by action and by who asked for it');
  expect(type).toBe('# TYPE  counter');
  const counted: Partial<Record<string, number>> = { create: 1, start: 1, stop: 2, delete: 1 };
  const by = (action: Action): string => (['ready', 'exit', 'lost'].includes(action) ? 'machine' : 'caller');
  expect(lines).toEqual(
    actions.map((action) => `{action="${action}",by="${by(action)}"} ${String(counted[action] ?? 0)}`),
  );
});

test('of more than 64 who ask, those that come later are counted together', async () => {
  const events = Array.from({ length: 100 }, (_, index): LifecycleEvent => ({
    ...created('Running', 0),
    cause: { by: `team_${String(index)}` },
  }));
  const lines = (await scrape('instances_lifecycle_events_total', ...events)).filter((line) =>
    line.includes('"create"'),
  );
  expect(lines).toHaveLength(64);
  expect(lines.at(-1)).toBe('{action="create",by="other"} 38');
});

test('what happens to a snapshot is counted, and is no transition of its instance', async () => {
  const taken: LifecycleEvent = { ...log, action: 'create_snapshot', snapshot: aSnapshot(), time: begin };
  expect(await scrape('instances_lifecycle_events_total', taken)).toContain(
    '{action="create_snapshot",by="caller"} 1',
  );
  expect(await scrape('instances_state_transitions_total', taken)).not.toContainEqual(
    expect.stringContaining('from='),
  );
});

test('transitions are counted from birth to deletion, and no change of state is none', async () => {
  expect(
    await scrape(
      'instances_state_transitions_total',
      created('Initializing', 0),
      changed('update', 'Initializing', 'Initializing'),
      changed('ready', 'Initializing', 'Running'),
      changed('exit', 'Running', 'Stopped'),
      changed('start', 'Stopped', 'Initializing'),
      changed('ready', 'Initializing', 'Running'),
      changed('stop', 'Running', 'Stopped'),
      deleted,
    ),
  ).toEqual([
    '# HELP  Total number of instance state transitions; absent is the state before the first and after the last',
    '# TYPE  counter',
    '{from="absent",to="Initializing"} 1',
    '{from="Initializing",to="Running"} 2',
    '{from="Running",to="Stopped"} 2',
    '{from="Stopped",to="Initializing"} 1',
    '{from="Stopped",to="absent"} 1',
  ]);
});

const name = 'instances_time_to_running_seconds';
const nothing = ['# HELP  Time from the start of an instance until it is Running', '# TYPE  histogram'];
const observed = (sum: number): readonly string[] => [
  ...nothing,
  `_sum{driver="memory"} ${String(sum)}`,
  '_count{driver="memory"} 1',
];

test.each<[string, LifecycleEvent]>([
  ['create', created('Running', 3.5)],
  ['fork', { ...log, action: 'fork', instance: instance('Running', begin), time: after(3.5) }],
  ['start', changed('start', 'Stopped', 'Running', 3.5)],
  ['ready', changed('ready', 'Initializing', 'Running', 3.5)],
])('the time to running is that from the start: %s', async (_, event) => {
  expect(await scrape(name, event)).toEqual(observed(3.5));
});

test('the time to running is told in buckets', async () => {
  const registry = new Registry();
  const count = eventMetrics((base) => ({ name: base, registers: [registry] }));
  count(created('Running', 3.5));
  const text = await registry.getSingleMetricAsString(name);
  const buckets = [...text.matchAll(/le="(.*?)",driver="memory"} (\d)/g)].map(([, le, value]) => [le, value]);
  expect(buckets.filter(([, value]) => value === '0').at(-1)).toEqual(['3', '0']);
  expect(buckets.find(([, value]) => value === '1')).toEqual(['4', '1']);
  expect(buckets.at(-1)).toEqual(['+Inf', '1']);
  expect(buckets).toHaveLength(29);
});

test.each<[string, LifecycleEvent]>([
  ['it is not ready yet', created('Initializing', 1)],
  ['it was restored, which is no start', changed('restore', 'Standby', 'Running', 1)],
  ['a look found it so', changed('update', 'Paused', 'Running', 1)],
  [
    'nobody knows when it was started',
    { ...changed('ready', 'Initializing', 'Running'), instance: instance('Running') } as LifecycleEvent,
  ],
  ['it is gone', deleted],
])('there is no time to running when %s', async (_, event) => {
  expect(await scrape(name, event)).toEqual(nothing);
});

test('a clock that was set back makes no negative time', async () => {
  expect(await scrape(name, changed('ready', 'Initializing', 'Running', -3600))).toEqual(observed(0));
});
