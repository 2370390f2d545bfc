import { Registry } from 'prom-client';
import type { Measurement } from '../../src/manager/measurement.js';
import { measurementMetrics } from '../../src/metrics/measurementMetrics.js';

/** Every line, those of buckets and comments left out. */
async function scrape(...measurements: readonly Measurement[]): Promise<readonly string[]> {
  const registry = new Registry();
  const record = measurementMetrics((name) => ({ name, registers: [registry] }));
  for (const measurement of measurements) record(measurement);
  const text = await registry.metrics();
  return text.split('\n').filter((line) => line !== '' && !/^#|_bucket/.test(line));
}

const waits = (counted: Readonly<Record<string, number>> = {}): readonly string[] =>
  [
    'outcome="reached",via="read"',
    'outcome="reached",via="event"',
    'outcome="reached",via="poll"',
    'outcome="reached",via="deadline"',
    'outcome="unreachable",via="read"',
    'outcome="unreachable",via="event"',
    'outcome="unreachable",via="poll"',
    'outcome="unreachable",via="deadline"',
    'outcome="timed_out",via="deadline"',
    'outcome="failed",via="none"',
  ].map((labels) => `instances_waits_total{${labels}} ${String(counted[labels] ?? 0)}`);

const commits = (sum: number, count: number): readonly string[] => [
  `instances_store_commit_duration_seconds_sum ${String(sum)}`,
  `instances_store_commit_duration_seconds_count ${String(count)}`,
];

test('what can be counted is there from the beginning, at 0', async () => {
  expect(await scrape()).toEqual([...waits(), ...commits(0, 0), 'instances_changes_found_by_poll_total 0']);
});

test('verbs are timed by verb and result', async () => {
  expect(
    await scrape(
      { kind: 'verb', verb: 'stop', result: 'ok', seconds: 1.5 },
      { kind: 'verb', verb: 'stop', result: 'ok', seconds: 0.5 },
      { kind: 'verb', verb: 'stop', result: 'InvalidState', seconds: 0 },
    ),
  ).toEqual([
    'instances_verb_duration_seconds_sum{verb="stop",result="ok"} 2',
    'instances_verb_duration_seconds_count{verb="stop",result="ok"} 2',
    'instances_verb_duration_seconds_sum{verb="stop",result="InvalidState"} 0',
    'instances_verb_duration_seconds_count{verb="stop",result="InvalidState"} 1',
    ...waits(),
    ...commits(0, 0),
    'instances_changes_found_by_poll_total 0',
  ]);
});

test('programs run by exec are timed by driver and result', async () => {
  expect(
    await scrape(
      { kind: 'exec', driver: 'process', result: 'ok', seconds: 1.5 },
      { kind: 'exec', driver: 'process', result: 'timed_out', seconds: 3 },
    ),
  ).toEqual([
    'instances_exec_duration_seconds_sum{driver="process",result="ok"} 1.5',
    'instances_exec_duration_seconds_count{driver="process",result="ok"} 1',
    'instances_exec_duration_seconds_sum{driver="process",result="timed_out"} 3',
    'instances_exec_duration_seconds_count{driver="process",result="timed_out"} 1',
    ...waits(),
    ...commits(0, 0),
    'instances_changes_found_by_poll_total 0',
  ]);
});

test('waits are counted by outcome and by what decided them, and timed by outcome', async () => {
  expect(
    await scrape(
      { kind: 'wait', outcome: 'reached', via: 'event', seconds: 2 },
      { kind: 'wait', outcome: 'reached', via: 'read', seconds: 0 },
      { kind: 'wait', outcome: 'timed_out', via: 'deadline', seconds: 60 },
      { kind: 'wait', outcome: 'failed', via: 'none', seconds: 1 },
    ),
  ).toEqual([
    ...waits({
      'outcome="reached",via="event"': 1,
      'outcome="reached",via="read"': 1,
      'outcome="timed_out",via="deadline"': 1,
      'outcome="failed",via="none"': 1,
    }),
    'instances_wait_duration_seconds_sum{outcome="reached"} 2',
    'instances_wait_duration_seconds_count{outcome="reached"} 2',
    'instances_wait_duration_seconds_sum{outcome="timed_out"} 60',
    'instances_wait_duration_seconds_count{outcome="timed_out"} 1',
    'instances_wait_duration_seconds_sum{outcome="failed"} 1',
    'instances_wait_duration_seconds_count{outcome="failed"} 1',
    ...commits(0, 0),
    'instances_changes_found_by_poll_total 0',
  ]);
});

test('commits are timed, and changes that a poll found are counted', async () => {
  expect(
    await scrape(
      { kind: 'commit', seconds: 0.25 },
      { kind: 'found_by_poll', instanceId: 'a' },
      { kind: 'commit', seconds: 0.5 },
      { kind: 'found_by_poll', instanceId: 'b' },
    ),
  ).toEqual([...waits(), ...commits(0.75, 2), 'instances_changes_found_by_poll_total 2']);
});

test('decisions of controllers are counted by controller, verb, reason and result, and so are failures', async () => {
  const decision = { kind: 'decision', controller: 'restart_policy', verb: 'start', reason: 'exit' } as const;
  const told = await scrape(
    { ...decision, result: 'ok' },
    { ...decision, result: 'ok' },
    { ...decision, result: 'LaunchFailed' },
    { kind: 'controller_failed', controller: 'restart_policy' },
  );
  expect(told.filter((line) => line.startsWith('instances_controller_'))).toEqual([
    'instances_controller_decisions_total{controller="restart_policy",verb="start",reason="exit",result="ok"} 2',
    'instances_controller_decisions_total{controller="restart_policy",verb="start",reason="exit",result="LaunchFailed"} 1',
    'instances_controller_failures_total{controller="restart_policy"} 1',
  ]);
});

test('reasons that an application makes up are bounded', async () => {
  const told = await scrape(
    ...Array.from({ length: 40 }, (_, index) => ({
      ...({ kind: 'decision', controller: 'mine', verb: 'stop', result: 'ok' } as const),
      reason: `because of ${String(index)}`,
    })),
  );
  const decisions = told.filter((line) => line.startsWith('instances_controller_decisions_total'));
  expect(decisions).toHaveLength(33);
  expect(decisions.at(-1)).toBe(
    'instances_controller_decisions_total{controller="mine",verb="stop",reason="other",result="ok"} 8',
  );
});
