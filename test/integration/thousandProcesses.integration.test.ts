import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  type Observable,
  range,
  timer,
  toArray,
} from 'rxjs';
import {
  createProcessDriver,
  type Driver,
  type Instance,
  type InstanceChange,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
  type WaitTarget,
  type WaitOutcome,
} from 'rx-instances';
import { processesWith } from '../support/processes.js';

const count = 1_000;
const atATime = 16;

/** How an instance leaves Running: the state that comes of it, the action that tells it, and who brings it about. */
interface Turn {
  readonly state: WaitTarget;
  readonly action: LifecycleEvent['action'];
  bring(manager: InstanceManager, instance: Instance): Observable<unknown>;
}

const turns: readonly Turn[] = [
  { state: 'Stopped', action: 'stop', bring: (manager, { id }) => manager.stop(id) },
  { state: 'Standby', action: 'standby', bring: (manager, { id }) => manager.standby(id) },
  {
    state: 'Stopped',
    action: 'exit',
    bring: (_, { handle }) =>
      defer(() => {
        process.kill(handle?.pid as number, 'SIGKILL');
        return EMPTY;
      }),
  },
];

const turnOf = (index: number): Turn => turns[index % turns.length] as Turn;

it('tells all that a thousand processes do to everybody, once and in order, and leaves nothing of them', async () => {
  const marker = `thousand-${String(process.pid)}`;
  const homes = new Set<string>();
  const processes = createProcessDriver();
  const driver: Driver = {
    ...processes,
    launch: (plan) => {
      homes.add(plan.home);
      return processes.launch(plan);
    },
  };
  const manager = await openManager({ drivers: [driver] });

  const heard: LifecycleEvent[] = [];
  manager.events('plain').subscribe((event) => heard.push(event));
  // Work that takes a turn for each event, with room for all of them.
  const worked = lastValueFrom(
    manager
      .consume('worker', (event) => timer(0).pipe(map(() => event)), {
        capacity: 3 * count,
        overflow: 'fail',
      })
      .pipe(toArray()),
  );
  const watched: InstanceChange[] = [];
  manager.watch('fold', { capacity: 3 * count }).subscribe((change) => watched.push(change));

  const lifeOf = (index: number): Observable<WaitOutcome> => {
    const { state, bring } = turnOf(index);
    const request = {
      name: `sleeper-${String(index)}`,
      image: 'scratch',
      entrypoint: ['/bin/sleep', '600'],
      env: { MARKER: marker },
    };
    return manager.create(request).pipe(
      mergeMap((instance) => {
        const turned$ = bring(manager, instance).pipe(ignoreElements());
        return concat(
          manager.waitForState(instance.id, 'Running'),
          merge(manager.waitForState(instance.id, state), turned$),
          manager.delete(instance.id).pipe(ignoreElements()),
        );
      }),
    );
  };
  const outcomes = await lastValueFrom(range(count).pipe(mergeMap(lifeOf, atATime), toArray()));

  expect(processesWith('MARKER', marker)).toEqual([]);
  expect(homes.size).toBe(count);
  expect([...homes].filter((home) => existsSync(home))).toEqual([]);
  await expect(firstValueFrom(manager.list())).resolves.toEqual([]);
  const { wait_for_state: waits, plain, worker, fold } = manager.stats();
  expect(waits).toMatchObject({ subscribers: 0, maxQueueDepth: 0 });
  const lossless = { subscribers: 1, dropped: { buffer_full: 0, failed: 0 }, lagged: 0, thrown: 0 };
  for (const stats of [plain, worker, fold]) expect(stats).toMatchObject(lossless);
  await manager.close();
  expect([...homes].filter((home) => existsSync(dirname(home)))).toEqual([]);

  // Two waits for each, all reached, none found by looking again and again.
  expect(outcomes.filter(({ timedOut }) => timedOut)).toEqual([]);
  const reached = countsOf(outcomes.map(({ state }) => state));
  expect(reached).toEqual({ Running: count, Stopped: 667, Standby: 333 });

  // No hole, no double, the same to all.
  const sequences = Array.from({ length: 3 * count }, (_, index) => index + 1);
  expect(heard.map(({ sequence }) => sequence)).toEqual(sequences);
  expect(await worked).toEqual(heard);
  expect(watched[0]).toMatchObject({ kind: 'snapshot', instances: [], cursor: { sequence: 0 } });
  expect(watched.slice(1).map((change) => ('event' in change ? change.event : undefined))).toEqual(heard);

  // Each instance's own story, from the events and from the fold.
  const stories = new Map<string, string[]>();
  for (const { instanceId, action } of heard) {
    stories.set(instanceId, [...(stories.get(instanceId) ?? []), action]);
  }
  expect(countsOf([...stories.values()].map((actions) => actions.join(' ')))).toEqual({
    'create stop delete': 334,
    'create standby delete': 333,
    'create exit delete': 333,
  });
  const revisions = heard
    .map(({ instance }) => instance?.revision)
    .filter((revision) => revision !== undefined);
  expect(countsOf(revisions.map(String))).toEqual({ 1: count, 2: count });
  expect(foldOf(watched).size).toBe(0);
}, 180_000);

/** How often each is there. */
const countsOf = (values: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

/** The table that whoever applied each change holds. */
const foldOf = (changes: readonly InstanceChange[]): ReadonlyMap<string, Instance> => {
  const table = new Map<string, Instance>();
  for (const change of changes) {
    if (change.kind === 'snapshot') {
      table.clear();
      for (const instance of change.instances) table.set(instance.id, instance);
    } else if (change.kind === 'upsert') table.set(change.instance.id, change.instance);
    else if (change.kind === 'removed') table.delete(change.instanceId);
  }
  return table;
};
