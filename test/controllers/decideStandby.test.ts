import type { Activity } from '../../src/controllers/connectionTable.js';
import { decideStandby, type StandbyMemory, statusOf } from '../../src/controllers/autoStandby.js';
import type { Occasion } from '../../src/controllers/controller.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { anInstance } from '../support/lifecycleEvents.js';

const { spec } = anInstance();
const autoStandby = {
  ...{ enabled: true, idleTimeoutMs: 10_000 },
  ...{ ignoreSourceCidrs: [], ignoreDestinationPorts: [] },
} as const;
const enabled = { ...spec, ports: [{ guest: 80 }], autoStandby };
const web = anInstance({ spec: enabled });
const none: Activity = { active: 0 };
const due: Occasion<never> = { kind: 'due' };
const now = 100_000;
const standby = { verb: 'standby', reason: 'idle' };

describe('what is decided about an instance', () => {
  it.each<[string, StandbyMemory, Activity, Parameters<typeof decideStandby>[2], object]>([
    ['seen first', {}, none, due, { memory: { idleSince: now }, at: now + 1_000 }],
    [
      'idle for a second',
      { idleSince: 99_000 },
      none,
      due,
      { memory: { idleSince: 99_000, isSettled: true }, at: 109_000 },
    ],
    [
      'idle for long',
      { idleSince: 90_000 },
      none,
      due,
      { memory: { idleSince: 90_000, isSettled: true, isRequested: true }, act: standby },
    ],
    [
      'in use',
      { idleSince: 90_000, holdUntil: 105_000 },
      { active: 1, lastInboundAt: 99_999 },
      due,
      { memory: { lastInboundAt: 99_999, holdUntil: 105_000 } },
    ],
    [
      'used before',
      { lastInboundAt: 99_999 },
      none,
      due,
      { memory: { lastInboundAt: 99_999, idleSince: now }, at: now + 1_000 },
    ],
    [
      'held',
      { idleSince: 90_000 },
      none,
      { kind: 'input', input: 'hold' },
      { memory: { idleSince: 90_000, isSettled: true, holdUntil: 110_000 }, at: 110_000 },
    ],
    [
      'held until then',
      { idleSince: 90_000, holdUntil: now },
      none,
      due,
      { memory: { idleSince: 90_000, isSettled: true, isRequested: true }, act: standby },
    ],
    [
      'held by a clock of another day',
      { idleSince: 90_000, holdUntil: 900_000 },
      none,
      due,
      { memory: { idleSince: 90_000, isSettled: true, holdUntil: 110_000 }, at: 110_000 },
    ],
    [
      'idle by a clock of another day',
      { idleSince: 900_000 },
      none,
      due,
      { memory: { idleSince: now }, at: now + 1_000 },
    ],
    [
      'that failed',
      { idleSince: 90_000, isRequested: true },
      none,
      { kind: 'failed', verb: 'standby', error: 'any' },
      { memory: { idleSince: now }, at: now + 1_000 },
    ],
    [
      'of which nobody can know',
      { idleSince: 90_000 },
      { active: 0, trouble: 'unsupported_platform' },
      due,
      {},
    ],
    [
      'of which nobody knows now',
      { idleSince: 90_000 },
      { active: 0, trouble: 'observer_error' },
      due,
      { memory: { idleSince: 90_000, isSettled: true, isRequested: true }, act: standby },
    ],
  ])('one %s', (_, memory, activity, occasion, verdict) => {
    expect(decideStandby({ instance: web, memory, now }, activity, occasion)).toEqual(verdict);
  });

  it.each<[string, Partial<Instance>]>([
    ['without a policy', { spec: { ...enabled, autoStandby: undefined as never } }],
    ['with one that is off', { spec: { ...enabled, autoStandby: { enabled: false } } }],
    ['without ports', { spec: { ...enabled, ports: [] } }],
    ['that stands by', { state: 'Standby' }],
    ['that is not ready', { state: 'Initializing' }],
  ])('nothing about one %s, of which nothing is remembered', (_, fields) => {
    const memory = { idleSince: 1, holdUntil: 900_000 };
    expect(decideStandby({ instance: anInstance({ ...web, ...fields }), memory, now }, none, due)).toEqual(
      {},
    );
  });

  it('one that was started since is idle since then', () => {
    const instance = anInstance({ ...web, startedAt: 99_500 });
    const { memory } = decideStandby({ instance, memory: { idleSince: 1 }, now }, none, due);
    expect(memory).toEqual({ idleSince: 99_500 });
  });
});

describe('what is told of an instance, the first that holds', () => {
  const off = { ...enabled, autoStandby: { enabled: false } } as const;
  const rows: readonly [string, string, Partial<Activity>, Partial<Instance>, StandbyMemory, boolean][] = [
    [
      'unsupported',
      'unsupported_platform',
      { trouble: 'unsupported_platform', active: 1 },
      { spec: off },
      { isRequested: true },
      true,
    ],
    [
      'disabled',
      'policy_disabled',
      { trouble: 'observer_error', active: 1 },
      { spec: off, state: 'Stopped' },
      { isRequested: true },
      true,
    ],
    [
      'ineligible',
      'instance_not_running',
      { trouble: 'observer_error', active: 1 },
      { spec: { ...enabled, ports: [] }, state: 'Stopped' },
      {},
      true,
    ],
    [
      'ineligible',
      'network_disabled',
      { trouble: 'observer_error', active: 1 },
      { spec: { ...enabled, ports: [] } },
      {},
      true,
    ],
    ['standby_requested', 'ready_for_standby', { trouble: 'observer_error', active: 1 }, {}, {}, true],
    [
      'standby_requested',
      'ready_for_standby',
      { trouble: 'observer_error' },
      {},
      { isRequested: true },
      false,
    ],
    ['error', 'observer_error', { trouble: 'observer_error', active: 1 }, {}, {}, false],
    ['active', 'active_inbound_connections', { active: 1 }, {}, {}, false],
    ['idle_countdown', 'idle_timeout_not_elapsed', {}, {}, { idleSince: 90_001 }, false],
    ['ready_for_standby', 'ready_for_standby', {}, {}, { idleSince: 90_000 }, false],
  ];
  it.each(rows)('%s: %s', (status, reason, activity, fields, memory, isExecuting) => {
    const sight = { instance: anInstance({ ...web, ...fields }), memory, now };
    expect(statusOf(sight, { ...none, ...activity }, isExecuting).autoStandby).toMatchObject({
      status,
      reason,
    });
  });
});
