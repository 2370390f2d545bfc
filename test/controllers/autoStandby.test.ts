import { BehaviorSubject, concat, EMPTY, firstValueFrom, map, Subject } from 'rxjs';
import type {
  AutoStandbyRequest,
  ConnectionSourceState,
  Controller,
  Driver,
  InstanceStatus,
  Machine,
  Store,
} from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { createAutoStandby } from '../../src/controllers/autoStandby.js';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { type PlayedSource, playSource } from './playedSource.js';
import { openPoliced, type PolicedManager } from './policedManager.js';

const autoStandby: AutoStandbyRequest = { enabled: true, idleTimeoutMs: 10_000 };
const ports = [{ guest: 80 }, { guest: 443 }];

let policed: PolicedManager;
let isOpen = false;
let source: PlayedSource;
let id = '';
/** What fails in the driver. */
let broken: string | undefined;

const openWith = async (controllers: readonly Controller[], store?: Store): Promise<void> => {
  if (isOpen) await policed.close();
  isOpen = true;
  broken = undefined;
  const fail = (operation: string): Error | undefined =>
    operation === broken ? new Error('it is broken') : undefined;
  policed = await openPoliced({ controllers, ...(store && { store }) }, createMemoryDriver({ fail }));
};
/** Over machines that are made into others. */
const openOver = async (
  sources: readonly PlayedSource[],
  made: (machine: Machine) => Machine,
  maxConcurrent?: number,
): Promise<void> => {
  await policed.close();
  const driver = createMemoryDriver();
  const launch: Driver['launch'] = (plan) => driver.launch(plan).pipe(map(made));
  const controller = createAutoStandby({ sources, ...(maxConcurrent !== undefined && { maxConcurrent }) });
  policed = await openPoliced({ drivers: [{ ...driver, launch }], controllers: [controller] }, driver);
};
const create = async (fields: Parameters<PolicedManager['create']>[0] = {}): Promise<void> => {
  ({ id } = await policed.create({ autoStandby, ports, ...fields }));
};
const state = async (): Promise<string> => (await policed.get()).state;
const status = async (): Promise<InstanceStatus['autoStandby']> => (await policed.status()).autoStandby;

beforeEach(async () => {
  source = playSource(() => id);
  await openWith([createAutoStandby({ sources: [source] })]);
});

afterEach(async () => {
  await policed.close();
  isOpen = false;
});

describe('an instance with auto-standby', () => {
  it('is put on standby once nobody was connected for its timeout since it was created', async () => {
    await create();
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
    expect(policed.told()).toEqual(['0 s: create by caller', '10 s: standby by auto_standby, idle']);
  });

  it('is left alone while somebody is connected, and counts from when the last has gone', async () => {
    await create();
    await policed.pass(5_000);
    const first = source.open();
    await policed.pass(20_000);
    const second = source.open();
    source.close(first);
    await policed.pass(20_000);
    expect(await status()).toEqual({
      ...{ status: 'active', reason: 'active_inbound_connections', activeConnections: 1 },
      lastInboundAt: Date.now() - 20_000,
    });
    source.close(second);
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('does not go below none when a close is told twice, or of what nobody knows', async () => {
    await create();
    const first = source.open();
    source.close(first);
    source.close(first);
    const other = { ...first, source: { ...first.source, port: 1 } };
    source.tell({ kind: 'closed', connection: other });
    source.open();
    expect(await status()).toMatchObject({ status: 'active', activeConnections: 1 });
  });

  it('counts a connection once that is told twice', async () => {
    await create();
    const first = source.open();
    source.tell({ kind: 'opened', connection: first });
    expect(await status()).toMatchObject({ activeConnections: 1 });
    source.close(first);
    expect(await status()).toMatchObject({ activeConnections: 0 });
  });

  it('counts anew when it goes on after a standby', async () => {
    await create();
    await policed.pass(15_000);
    await firstValueFrom(policed.manager.restore('web'));
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it.each<[string, object, object, boolean]>([
    ['from a network', { ignoreSourceCidrs: ['192.0.2.0/24'] }, {}, false],
    ['from beside that network', { ignoreSourceCidrs: ['192.0.3.0/24'] }, {}, true],
    [
      'by IPv6',
      { ignoreSourceCidrs: ['2001:db8::/32'] },
      { source: { address: '2001:db8::1', port: 1 } },
      false,
    ],
    [
      'by the IPv6 form of IPv4',
      { ignoreSourceCidrs: ['192.0.2.0/24'] },
      { source: { address: '::ffff:192.0.2.1', port: 1 } },
      false,
    ],
    [
      'of no address',
      { ignoreSourceCidrs: ['0.0.0.0/0'] },
      { source: { address: 'nowhere', port: 1 } },
      true,
    ],
    ['to a port', { ignoreDestinationPorts: [443] }, { guest: 443 }, false],
    ['to another port', { ignoreDestinationPorts: [443] }, { guest: 80 }, true],
  ])('ignores connections as its policy says, or not: %s', async (_, ignored, connection, isAwake) => {
    await create({ autoStandby: { ...autoStandby, ...ignored } });
    source.open(connection);
    expect(await status()).toMatchObject({ activeConnections: isAwake ? 1 : 0 });
    await policed.pass(10_000);
    expect(await state()).toBe(isAwake ? 'Running' : 'Standby');
  });

  it('goes by its new policy as soon as that is changed', async () => {
    await create();
    source.open({ guest: 443 });
    await policed.pass(60_000);
    const ignoring = { ...autoStandby, ignoreDestinationPorts: [443] };
    await firstValueFrom(policed.manager.update('web', { autoStandby: ignoring }));
    await policed.pass(10_000);
    expect(await state()).toBe('Standby');
  });

  it('that is changed to a timeout that is over already is put on standby at once', async () => {
    await create();
    await policed.pass(5_000);
    await firstValueFrom(
      policed.manager.update('web', { autoStandby: { ...autoStandby, idleTimeoutMs: 5_000 } }),
    );
    await policed.pass(0);
    expect(await state()).toBe('Standby');
  });

  it.each<[string, Parameters<PolicedManager['create']>[0], InstanceStatus['autoStandby']]>([
    ['without a policy', { autoStandby: undefined as never }, undefined],
    [
      'with one that is off',
      { autoStandby: { enabled: false } },
      { status: 'disabled', reason: 'policy_disabled', activeConnections: 0 },
    ],
    [
      'without a port',
      { ports: [] },
      { status: 'ineligible', reason: 'network_disabled', activeConnections: 0 },
    ],
    [
      'that is not ready yet',
      { readiness: { kind: 'log', pattern: 'ready' } },
      { status: 'ineligible', reason: 'instance_not_running', activeConnections: 0 },
    ],
  ])('is left alone %s, and a hold does nothing', async (_, fields, expected) => {
    await create(fields);
    await expect(firstValueFrom(policed.manager.hold('web'))).resolves.toMatchObject({ id });
    await policed.pass(60_000);
    expect(policed.told()).toHaveLength(1);
    expect(await status()).toEqual(expected);
  });

  it('tries again a timeout after a standby that failed', async () => {
    await create();
    broken = 'freeze';
    await policed.pass(10_000);
    expect(await status()).toMatchObject({
      status: 'idle_countdown',
      idleSince: Date.now(),
      nextStandbyAt: Date.now() + 10_000,
    });
    broken = undefined;
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('is put on standby although it was changed while its standby waited for its turn', async () => {
    await create();
    await policed.pass(9_999);
    source.onRead = () => {
      source.onRead = () => undefined;
      policed.manager.update('web', { tags: { any: 'other' } }).subscribe();
    };
    await policed.pass(1);
    await policed.pass(0);
    expect(await state()).toBe('Standby');
  });

  it('does not wait for a time that a clock which was set back has to reach again', async () => {
    await create();
    await policed.pass(5_000);
    await policed.reopen({ after: -86_400_000 });
    await policed.pass(10_000);
    expect(await state()).toBe('Standby');
  });
});

describe('before an instance is put on standby', () => {
  it('the table is read once more: who is in it and was not told of keeps it awake', async () => {
    await create();
    const missed = source.open({}, false);
    await policed.pass(60_000);
    expect(policed.told()).toHaveLength(1);
    expect(await status()).toMatchObject({ status: 'active', activeConnections: 1 });
    source.close(missed);
    await policed.pass(10_000);
    expect(await state()).toBe('Standby');
  });

  it('a table that cannot be read counts as used, and the countdown begins anew', async () => {
    await create();
    source.failure = new Error('no such table');
    await policed.pass(10_000);
    expect(await state()).toBe('Running');
    expect(await status()).toMatchObject({
      status: 'error',
      reason: 'observer_error',
      idleSince: Date.now(),
    });
    source.failure = undefined;
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('a connection that comes while the table is read, and is not in it, calls it off', async () => {
    const read$ = new Subject<readonly []>();
    const slow = playSource(() => id);
    let isSlow = false;
    await openWith([
      createAutoStandby({ sources: [{ ...slow, read: () => (isSlow ? read$ : slow.read()) }] }),
    ]);
    await create();
    isSlow = true;
    await policed.pass(10_000);
    expect(await status()).toMatchObject({ status: 'standby_requested' });
    const connection = slow.open();
    read$.next([]);
    await policed.pass(0);
    expect(await status()).toMatchObject({ status: 'active', activeConnections: 1 });
    isSlow = false;
    slow.close(connection);
    await policed.pass(10_000);
    expect(await state()).toBe('Standby');
  });

  it('a connection calls off the standby that waits for another verb to end', async () => {
    const release$ = new Subject<never>();
    await openOver([source], (machine) => ({ ...machine, signal: () => release$ }));
    await create();
    await policed.pass(9_999);
    source.onRead = () => {
      source.onRead = () => undefined;
      policed.manager.signal('web', 'SIGHUP').subscribe();
    };
    await policed.pass(1);
    expect(await status()).toMatchObject({ status: 'standby_requested', reason: 'ready_for_standby' });
    source.open();
    release$.complete();
    await policed.pass(0);
    expect(policed.told().filter((line) => line.includes('by auto_standby'))).toEqual([]);
    expect(await status()).toMatchObject({ status: 'active' });
  });

  it('a connection does not call off the standby that has begun, which is told as it came out', async () => {
    const release$ = new Subject<never>();
    await openOver([source], ({ freezing, ...machine }) => ({
      ...machine,
      freezing: {
        freeze: () => concat(release$, freezing?.freeze() ?? EMPTY),
        thaw: () => freezing?.thaw() ?? EMPTY,
      },
    }));
    const results: string[] = [];
    policed.manager.measurements$.subscribe((measured) => {
      if (measured.kind === 'decision') results.push(`${measured.verb}: ${measured.result}`);
    });
    await create();
    await policed.pass(10_000);
    source.open();
    expect(await status()).toMatchObject({ status: 'standby_requested', activeConnections: 1 });
    await expect(firstValueFrom(policed.manager.hold('web'))).rejects.toMatchObject({ _tag: 'InvalidState' });
    release$.complete();
    await policed.pass(0);
    expect(await state()).toBe('Standby');
    expect(results).toEqual(['standby: ok']);
  });

  it('it waits until fewer than so many others are being put on standby', async () => {
    const begun: Subject<never>[] = [];
    const freeze = (): Subject<never> => {
      begun.push(new Subject<never>());
      return begun.at(-1) as Subject<never>;
    };
    await openOver([source], (machine) => ({ ...machine, freezing: { freeze, thaw: () => EMPTY } }), 2);
    const names = ['web', 'one', 'two', 'three', 'four'];
    for (const name of names) await create({ name });
    await policed.pass(10_000);
    const statuses = await Promise.all(names.map((name) => firstValueFrom(policed.manager.status(name))));
    expect(statuses.map(({ autoStandby: its }) => its?.status)).toEqual(names.map(() => 'standby_requested'));
    for (const [ended, most] of [2, 3, 4, 5, 5].entries()) {
      await policed.pass(0);
      expect(begun).toHaveLength(most);
      begun[ended]?.complete();
    }
    await policed.pass(0);
    expect(await firstValueFrom(policed.manager.list({ state: 'Standby' }))).toHaveLength(5);
  });
});

describe('a hold', () => {
  it('leaves an instance alone for its timeout from now on, and the newest wins, also an earlier one', async () => {
    await create();
    await policed.pass(9_000);
    await firstValueFrom(policed.manager.hold('web'));
    expect(await status()).toMatchObject({
      ...{ status: 'idle_countdown', reason: 'idle_timeout_not_elapsed' },
      idleSince: Date.now() - 9_000,
      holdUntil: Date.now() + 10_000,
      nextStandbyAt: Date.now() + 10_000,
    });
    await firstValueFrom(
      policed.manager.update('web', { autoStandby: { ...autoStandby, idleTimeoutMs: 9_500 } }),
    );
    await firstValueFrom(policed.manager.hold('web'));
    await policed.pass(9_499);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('counts beside the time since the last connection, whichever is later', async () => {
    await create();
    const connection = source.open();
    await firstValueFrom(policed.manager.hold('web'));
    await policed.pass(3_000);
    source.close(connection);
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('calls off a standby that waits for its turn', async () => {
    const reads$ = new Subject<readonly []>();
    let isSlow = false;
    await openWith([
      createAutoStandby({ sources: [{ ...source, read: () => (isSlow ? reads$ : source.read()) }] }),
    ]);
    await create();
    isSlow = true;
    await policed.pass(10_000);
    await firstValueFrom(policed.manager.hold('web'));
    isSlow = false;
    reads$.next([]);
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('is refused while the instance is being put on standby, and leaves nothing behind', async () => {
    const release$ = new Subject<never>();
    await openOver([source], ({ freezing, ...machine }) => ({
      ...machine,
      freezing: {
        freeze: () => concat(release$, freezing?.freeze() ?? EMPTY),
        thaw: () => freezing?.thaw() ?? EMPTY,
      },
    }));
    await create();
    await policed.pass(10_000);
    await expect(firstValueFrom(policed.manager.hold('web'))).rejects.toMatchObject({
      _tag: 'InvalidState',
      message: `cannot hold instance ${id} while it is Running: it is being put on standby, and can be restored then`,
    });
    expect(await status()).not.toHaveProperty('holdUntil');
    release$.complete();
    await policed.pass(0);
    expect(await state()).toBe('Standby');
    expect(await status()).toEqual({
      status: 'ineligible',
      reason: 'instance_not_running',
      activeConnections: 0,
    });
  });

  it('is gone with the manager', async () => {
    await create();
    await policed.pass(8_000);
    await firstValueFrom(policed.manager.hold('web'));
    await policed.reopen();
    await policed.pass(2_000);
    expect(await state()).toBe('Standby');
  });
});

describe('over a restart of the manager', () => {
  it('the countdown goes on where it was', async () => {
    await create();
    await policed.pass(4_000);
    await policed.reopen({ after: 3_000 });
    await policed.pass(2_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('who is connected ends it', async () => {
    await create();
    await policed.pass(4_000);
    const connection = source.open({}, false);
    await policed.reopen({ after: 3_000 });
    expect(await status()).toMatchObject({ status: 'active', activeConnections: 1 });
    source.close(connection);
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('the countdown before the last connection does not come back', async () => {
    await create();
    await policed.pass(9_000);
    const connection = source.open();
    await policed.pass(0);
    source.close(connection);
    await policed.reopen({ after: 500 });
    await policed.pass(9_999);
    expect(await state()).toBe('Running');
    await policed.pass(1);
    expect(await state()).toBe('Standby');
  });

  it('connections that come and go are not written down each', async () => {
    const store = createMemoryStore();
    let writes = 0;
    const counting = {
      ...store,
      saveRuntime: (...given: Parameters<typeof store.saveRuntime>) => {
        writes += 1;
        return store.saveRuntime(...given);
      },
    };
    await openWith([createAutoStandby({ sources: [source] })], counting);
    await create();
    for (let times = 0; times < 2_000; times += 1) {
      source.close(source.open());
      await policed.pass(1);
    }
    expect(writes).toBe(0);
    await policed.pass(9_000);
    expect(writes).toBe(1);
    await policed.pass(2_000);
    expect(await state()).toBe('Standby');
  });
});

describe('a source', () => {
  it('whose changes may have been missed is read again', async () => {
    await create();
    const missed = source.open({}, false);
    const alsoMissed = source.open({}, false);
    source.tell({ kind: 'reset' });
    expect(await status()).toMatchObject({ activeConnections: 2 });
    source.close(missed, false);
    source.close(alsoMissed, false);
    source.tell({ kind: 'reset' });
    expect(await status()).toMatchObject({ activeConnections: 0, idleSince: Date.now() });
  });

  it('that sees everything is read at the beginning and before a standby only, however many instances there are', async () => {
    for (let count = 0; count < 20; count += 1) {
      await create({ name: `web-${String(count)}`, autoStandby: { ...autoStandby, idleTimeoutMs: 600_000 } });
      source.open();
    }
    await policed.pass(300_000);
    expect(source.reads).toBe(1);
  });

  it('that may miss changes is read every two seconds while somebody is connected', async () => {
    const state$ = new BehaviorSubject<ConnectionSourceState>({ kind: 'connected' });
    source = playSource(() => id, { state$ });
    await openWith([createAutoStandby({ sources: [source] })]);
    await create();
    await policed.pass(5_000);
    expect(source.reads).toBe(1);
    const connection = source.open();
    await policed.pass(6_000);
    expect(source.reads).toBe(4);
    source.close(connection, false);
    await policed.pass(2_000);
    expect(await status()).toMatchObject({ status: 'idle_countdown', idleSince: Date.now() });
    await policed.pass(5_000);
    expect(source.reads).toBe(5);
  });

  it('that cannot be read at the beginning is tried again, and the others are followed meanwhile', async () => {
    const failing = playSource(() => id);
    failing.failure = new Error('not yet');
    await openWith([createAutoStandby({ sources: [failing, source] })]);
    await create();
    expect(await status()).toMatchObject({ status: 'error', reason: 'observer_error' });
    const connection = source.open();
    expect(await status()).toMatchObject({ activeConnections: 1 });
    source.close(connection);
    const unseen = failing.open({}, false);
    failing.failure = undefined;
    await policed.pass(10_000);
    expect(await status()).toMatchObject({ status: 'active', activeConnections: 1 });
    failing.close(unseen);
    await policed.pass(10_000);
    expect(await state()).toBe('Standby');
  });

  it('that lost sight for now is told, and standby goes by its table', async () => {
    const state$ = new BehaviorSubject<ConnectionSourceState>({ kind: 'observer_error', reason: 'full' });
    source = playSource(() => id, { state$ });
    await openWith([createAutoStandby({ sources: [source] })]);
    await create();
    expect(await status()).toMatchObject({ status: 'error', reason: 'observer_error' });
    state$.next({ kind: 'connected' });
    expect(await status()).toMatchObject({ status: 'idle_countdown' });
    state$.next({ kind: 'observer_error', reason: 'full' });
    await policed.pass(10_000);
    expect(await state()).toBe('Standby');
  });

  it.each<[string, () => readonly PlayedSource[]]>([
    [
      'that cannot work on this system',
      () => [
        playSource(() => id, {
          state$: new BehaviorSubject({ kind: 'unsupported_platform', reason: 'no Linux' } as const),
        }),
      ],
    ],
    [
      'beside one that cannot work on this system',
      () => [
        source,
        playSource(() => id, {
          state$: new BehaviorSubject({ kind: 'unsupported_platform', reason: 'no Linux' } as const),
        }),
      ],
    ],
    ['that is not there', () => []],
  ])('%s puts nothing on standby, and says so', async (_, sources) => {
    await openWith([createAutoStandby({ sources: sources() })]);
    await create();
    await policed.pass(60_000);
    expect(await state()).toBe('Running');
    expect(await status()).toEqual({
      status: 'unsupported',
      reason: 'unsupported_platform',
      activeConnections: 0,
    });
  });

  it('of several has the same connection counted by each', async () => {
    const other = playSource(() => id, { name: 'other' });
    await openWith([createAutoStandby({ sources: [source, other] })]);
    await create();
    const connection = source.open();
    other.open(connection);
    source.close(connection);
    expect(await status()).toMatchObject({ status: 'active', activeConnections: 1 });
  });
});

describe('what was decided', () => {
  it('is counted once it is done or has failed, and not when it was called off', async () => {
    const counted: string[] = [];
    policed.manager.measurements$.subscribe((measured) => {
      if (measured.kind !== 'decision') return;
      const { controller, verb, reason, result } = measured;
      counted.push(`${controller}: ${verb}, ${reason}: ${result}`);
    });
    await create();
    const missed = source.open({}, false);
    await policed.pass(10_000);
    source.close(missed);
    expect(counted).toEqual([]);
    source.failure = new Error('no such table');
    await policed.pass(10_000);
    source.failure = undefined;
    broken = 'freeze';
    await policed.pass(10_000);
    broken = undefined;
    await policed.pass(10_000);
    expect(counted).toEqual([
      'auto_standby: standby, idle: Error',
      'auto_standby: standby, idle: DriverFailed',
      'auto_standby: standby, idle: ok',
    ]);
  });
});

describe('a driver whose machines cannot stand by', () => {
  it('has no instance with auto-standby', async () => {
    const driver = createMemoryDriver();
    const without = { ...driver, capabilities: { ...driver.capabilities, standbyFrees: 'nothing' as const } };
    await policed.close();
    policed = await openPoliced({ drivers: [without] }, driver);
    const fault = 'autoStandby.enabled: found true, expected false: the driver "memory" has no standby';
    await expect(create()).rejects.toThrow(fault);
    await create({ autoStandby: { enabled: false } });
    await expect(firstValueFrom(policed.manager.update('web', { autoStandby }))).rejects.toThrow(fault);
  });
});
