import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, ReplaySubject, take, toArray } from 'rxjs';
import {
  createProcessDriver,
  type Driver,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
} from 'rx-instances';
import { kernelViewOf, processesOf } from '../support/processes.js';

const folder = mkdtempSync(join(tmpdir(), 'lifecycle-'));
// Counts its starts in its working directory, and is ready when it says so.
writeFileSync(
  join(folder, 'server'),
  ['#!/bin/sh', 'echo start >> starts', 'sleep 600 &', 'echo "ready with ${COLOUR-none} ${1-}"', 'wait'].join(
    '\n',
  ),
  { mode: 0o755 },
);

let manager: InstanceManager;
let events$: ReplaySubject<LifecycleEvent>;
let told: string[];
let homes: Map<string, string>;
/** By id, also of what is deleted. */
const names = new Map<string, string>();

const line = ({ action, previousState, instance, instanceId }: LifecycleEvent): string =>
  [names.get(instanceId), action, previousState, instance?.state]
    .filter((part) => part !== undefined)
    .join(' ');

beforeEach(async () => {
  homes = new Map();
  told = [];
  events$ = new ReplaySubject(Infinity);
  const processes = createProcessDriver({ pollMs: 5 });
  const driver: Driver = {
    ...processes,
    prepare: (plan) => {
      homes.set(plan.name, plan.home);
      return processes.prepare(plan);
    },
  };
  manager = await openManager({ drivers: [driver] });
  manager.events('test').subscribe(events$);
  events$.subscribe((event) => {
    if (event.instance !== undefined) names.set(event.instanceId, event.instance.name);
    told.push(line(event));
  });
});
afterEach(() => manager.close());
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const server = {
  image: folder,
  entrypoint: ['./server'],
  readiness: { kind: 'log', pattern: '^ready' },
  stopGraceMs: 10_000,
} as const;

const create = (name = 'web'): Promise<Instance> => firstValueFrom(manager.create({ name, ...server }));

/** The first event of an action after a sequence. */
const event = (action: LifecycleEvent['action'], name: string, after = 0): Promise<LifecycleEvent> =>
  firstValueFrom(
    events$.pipe(
      filter((one) => one.action === action && names.get(one.instanceId) === name && one.sequence > after),
    ),
  );

/** The instance, once it is Running. */
const running = async (name = 'web'): Promise<Instance> => {
  const { instance } = await firstValueFrom(manager.waitForState(name, 'Running'));
  expect(instance.state).toBe('Running');
  return instance;
};

/** What was told since this was last asked. */
const news = (): readonly string[] => told.splice(0);

const startsOf = (name: string): number =>
  readFileSync(join(homes.get(name) as string, 'work', 'starts'), 'utf8').split('\n').length - 1;

const stateOf = (pid: number | undefined): string | undefined => kernelViewOf(pid as number)?.state;

describe('over its whole life', () => {
  it('an instance tells all that is done to it and all that it does', async () => {
    const { id } = await create();
    const first = await running();
    expect(news()).toEqual(['web create Initializing', 'web ready Initializing Running']);
    const pid = first.handle?.pid as number;

    await firstValueFrom(manager.standby('web'));
    expect(processesOf(id).map(stateOf)).toEqual(['T', 'T']);
    await firstValueFrom(manager.restore('web'));
    expect(processesOf(id).map(stateOf)).not.toContain('T');
    expect(news()).toEqual(['web standby Running Standby', 'web restore Standby Running']);

    const fork = await firstValueFrom(manager.fork('web', { name: 'twin', fromRunning: true }));
    await running('twin');
    expect(news()).toEqual([
      'web standby Running Standby',
      'web restore Standby Running',
      'twin fork Initializing',
      'twin ready Initializing Running',
    ]);
    expect(fork.id).not.toBe(id);
    expect([startsOf('web'), startsOf('twin')]).toEqual([1, 2]);
    expect(stateOf(pid)).not.toBe('T');

    process.kill(pid, 'SIGKILL');
    await expect(event('exit', 'web')).resolves.toMatchObject({
      previousState: 'Running',
      instance: { state: 'Stopped', exit: { code: null, signal: 'SIGKILL' } },
    });
    expect(processesOf(id)).toEqual([]);
    expect(news()).toEqual(['web exit Running Stopped']);

    await firstValueFrom(manager.restart('web'));
    await running();
    await firstValueFrom(manager.restart('web'));
    const again = await running();
    expect(again.handle?.pid).not.toBe(pid);
    expect(startsOf('web')).toBe(3);
    expect(news()).toEqual([
      'web start Stopped Initializing',
      'web ready Initializing Running',
      'web stop Running Stopped',
      'web start Stopped Initializing',
      'web ready Initializing Running',
    ]);

    await firstValueFrom(manager.update('web', { env: { COLOUR: 'red' } }));
    expect(again.handle?.pid).toBe((await firstValueFrom(manager.get('web'))).handle?.pid);
    process.kill(-(again.handle?.pid as number), 'SIGSTOP');
    await firstValueFrom(manager.waitForState('web', 'Paused', { pollMs: 5 }));
    await firstValueFrom(manager.restore('web'));
    await firstValueFrom(manager.refresh('web'));
    expect(news()).toEqual([
      'web update Running Running',
      'web update Running Paused',
      'web restore Paused Running',
    ]);

    const stopped = await firstValueFrom(manager.stop('web'));
    expect(stopped.exit).toEqual({ code: null, signal: 'SIGTERM', stoppedBy: 'caller' });
    expect(processesOf(id)).toEqual([]);
    await firstValueFrom(manager.start('web', { cmd: ['here'] }));
    await running();
    const line = firstValueFrom(manager.logs('web', { tail: 1, follow: true }));
    await expect(line).resolves.toMatchObject({ text: 'ready with red here' });
    await firstValueFrom(manager.delete('web'));
    expect(news()).toEqual([
      'web stop Running Stopped',
      'web start Stopped Initializing',
      'web ready Initializing Running',
      'web delete Running',
    ]);
    expect(readdirSync(join(homes.get('web') as string, '..'))).toEqual([fork.id]);

    await manager.close();
    expect(news()).toEqual(['twin stop Running Stopped']);
    expect(processesOf(fork.id)).toEqual([]);
    const all = await firstValueFrom(events$.pipe(toArray()));
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, index) => index + 1));
    const revisions = all
      .filter(({ instanceId, action }) => instanceId === id && action !== 'delete')
      .map(({ instance }) => instance?.revision);
    expect(revisions).toEqual(revisions.map((_, index) => index + 1));
  }, 30_000);

  it.each(['Stopped', 'Standby', 'Running'] as const)(
    'a fork of what runs is brought to %s',
    async (targetState) => {
      const { id } = await create();
      await running();
      news();
      const fork = await firstValueFrom(
        manager.fork('web', { name: 'twin', fromRunning: true, targetState }),
      );

      expect(news().slice(0, 2)).toEqual(['web standby Running Standby', 'web restore Standby Running']);
      expect(processesOf(id).map(stateOf)).not.toContain('T');
      const states = processesOf(fork.id).map(stateOf);
      expect(states.length > 0).toBe(targetState !== 'Stopped');
      expect(states.filter((state) => state === 'T')).toHaveLength(
        targetState === 'Standby' ? states.length : 0,
      );
      expect(fork.state).toBe(targetState === 'Running' ? 'Initializing' : targetState);
      await firstValueFrom(manager.delete('web'));
      // It goes on without its source.
      if (targetState === 'Standby') await firstValueFrom(manager.restore('twin'));
      if (targetState === 'Stopped') await firstValueFrom(manager.start('twin'));
      await running('twin');
      expect(readdirSync(join(homes.get('twin') as string, 'work')).sort()).toEqual(['server', 'starts']);
    },
  );
});

describe('nothing is told and nothing done', () => {
  it.each<[string, (name: string) => Promise<unknown>]>([
    ['by a start of what is on its way', (name) => firstValueFrom(manager.start(name))],
    ['by a restore of what is on its way', (name) => firstValueFrom(manager.restore(name))],
  ])('%s', async (_, verb) => {
    const never = { kind: 'log', pattern: 'never' } as const;
    const created = await firstValueFrom(manager.create({ name: 'web', ...server, readiness: never }));
    expect(created.state).toBe('Initializing');
    await expect(verb('web')).resolves.toBe(created);
    expect(news()).toEqual(['web create Initializing']);
  });

  it('by a second restore, a second standby, a second stop, and a start of what runs', async () => {
    await create();
    const up = await running();
    news();
    await expect(firstValueFrom(manager.start('web'))).resolves.toBe(up);
    await expect(firstValueFrom(manager.restore('web'))).resolves.toBe(up);
    const frozen = await firstValueFrom(manager.standby('web'));
    await expect(firstValueFrom(manager.standby('web'))).resolves.toBe(frozen);
    await firstValueFrom(manager.restore('web'));
    const down = await firstValueFrom(manager.stop('web'));
    await expect(firstValueFrom(manager.stop('web'))).resolves.toBe(down);
    expect(news()).toEqual([
      'web standby Running Standby',
      'web restore Standby Running',
      'web stop Running Stopped',
    ]);
  });

  it('by a start with another program of what runs', async () => {
    await create();
    const up = await running();
    news();
    await expect(firstValueFrom(manager.start('web', { cmd: ['other'] }))).rejects.toMatchObject({
      _tag: 'InvalidState',
      state: 'Running',
      verb: 'start',
    });
    await expect(firstValueFrom(manager.get('web'))).resolves.toBe(up);
    expect(news()).toEqual([]);
  });
});

describe('what somebody else has halted', () => {
  it('is restored once, however many ask for it', async () => {
    await create();
    const { handle } = await running();
    process.kill(-(handle?.pid as number), 'SIGSTOP');
    await firstValueFrom(manager.waitForState('web', 'Paused', { pollMs: 5 }));
    news();
    const [one, other] = await Promise.all([
      firstValueFrom(manager.restore('web')),
      firstValueFrom(manager.restore('web')),
    ]);

    expect(one).toMatchObject({ state: 'Running', handle });
    expect(other).toBe(one);
    expect(stateOf(handle?.pid)).not.toBe('T');
    await firstValueFrom(manager.restore('web'));
    expect(news()).toEqual(['web restore Paused Running']);
  });

  it('goes on when it is stopped, and ends as it likes within its grace', async () => {
    // A shell that is starting a program when it is halted stands in the kernel, and is not seen to be halted.
    const entrypoint = ['sh', '-c', "trap 'exit 7' TERM; sleep 600 & echo ready with trap; wait"];
    const { handle } = await firstValueFrom(manager.create({ name: 'web', ...server, entrypoint }));
    await running();
    process.kill(-(handle?.pid as number), 'SIGSTOP');
    await firstValueFrom(manager.waitForState('web', 'Paused', { pollMs: 5 }));
    news();
    const stopped = await firstValueFrom(manager.stop('web'));

    expect(stopped).toMatchObject({ state: 'Stopped', exit: { code: 7, signal: null } });
    expect(news()).toEqual(['web stop Paused Stopped']);
  });
});

describe('what ends by itself', () => {
  it('before it is ready goes from Initializing to Stopped, and a wait for it says so', async () => {
    const request = { name: 'web', ...server, entrypoint: ['sh', '-c', 'exit 3'] };
    await firstValueFrom(manager.create(request));
    const outcome = await firstValueFrom(manager.waitForState('web', 'Running'));

    expect(outcome).toMatchObject({
      state: 'Stopped',
      timedOut: false,
      instance: { exit: { code: 3, signal: null } },
    });
    expect(news()).toEqual(['web create Initializing', 'web exit Initializing Stopped']);
  });

  it('while it is on standby goes from there to Stopped', async () => {
    const { handle } = await create();
    await running();
    await firstValueFrom(manager.standby('web'));
    news();
    process.kill(handle?.pid as number, 'SIGKILL');
    await event('exit', 'web');
    expect(news()).toEqual(['web exit Standby Stopped']);
  });

  it('again and again is started again and again by whoever listens', async () => {
    const work = manager
      .consume('keeper', ({ action, instanceId }) => (action === 'exit' ? manager.start(instanceId) : []))
      .subscribe();
    await create();
    for (let times = 0; times < 5; times += 1) {
      const { handle } = await running();
      const before = told.length;
      process.kill(handle?.pid as number, 'SIGKILL');
      await event('start', 'web', before);
    }
    await running();
    work.unsubscribe();
    const actions = await firstValueFrom(events$.pipe(take(told.length), toArray()));
    expect(actions.map(({ action }) => action)).toEqual([
      'create',
      'ready',
      ...Array.from({ length: 5 }, () => ['exit', 'start', 'ready']).flat(),
    ]);
  });
});
