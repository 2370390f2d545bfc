import { type CreateRequest, type Instance } from 'rx-instances';
import {
  firstValueFrom,
  ignoreElements,
  type Observable,
  takeUntil,
  throwIfEmpty,
  timeout,
  timer,
} from 'rxjs';
import { type Actor, pause, type World } from './world.js';

/** A verb that hangs is broken. */
const patienceMs = 20_000;
const mostInstances = 40;
const mostProcesses = 8;

const expected = new Set([
  'InstanceNotFound',
  'AmbiguousName',
  'InvalidState',
  'NameTaken',
  'NotSupported',
  'LaunchFailed',
  'DriverFailed',
]);

const programs = [
  ['sleep', '60'],
  ['sh', '-c', 'sleep 0.3; exit 3'],
  ['sh', '-c', 'trap "" TERM; sleep 60 & wait; wait'],
  ['sh', '-c', 'echo ready; sleep 60 & sleep 60'],
  ['/no/such/program'],
];

function processRequest({ random }: World, name: string): CreateRequest {
  const entrypoint = random.pick(programs) ?? [];
  const isPrinting = entrypoint[2]?.startsWith('echo') === true;
  return {
    name,
    image: 'scratch',
    driver: 'process',
    entrypoint,
    stopGraceMs: 50,
    ...(isPrinting ? { readiness: { kind: 'log', pattern: '^ready$' } } : {}),
  };
}

function memoryRequest({ random }: World, name: string): CreateRequest {
  return {
    name,
    image: 'any',
    driver: 'memory',
    stopGraceMs: random.below(4),
    ...(random.chance(0.5) ? { readiness: { kind: 'log', pattern: '^ready$' } } : {}),
  };
}

/** Names that are now and then taken. */
const nameOf = ({ random }: World): string => `soak-${String(random.below(200))}`;

type Verb = (world: World, id: string) => Observable<unknown>;

const create: Verb = (world) => {
  const { manager, witness, random } = world;
  const processes = [...witness.table.values()].filter(({ spec }) => spec.driver === 'process').length;
  const isProcess = processes < mostProcesses && random.chance(0.2);
  return manager.create((isProcess ? processRequest : memoryRequest)(world, nameOf(world)));
};

const verbs: readonly Verb[] = [
  create,
  create,
  create,
  ({ manager }, id) => manager.start(id),
  ({ manager }, id) => manager.start(id),
  ({ manager }, id) => manager.stop(id),
  ({ manager }, id) => manager.standby(id),
  ({ manager }, id) => manager.restore(id),
  ({ manager }, id) => manager.restart(id),
  ({ manager }, id) => manager.delete(id),
  ({ manager }, id) => manager.refresh(id),
  ({ manager }, id) => manager.get(id),
  ({ manager }) => manager.list({ state: 'Running' }),
  ({ manager, random }, id) => manager.update(id, { tags: { round: String(random.below(3)) } }),
  (world, id) => world.manager.fork(id, { name: nameOf(world), fromRunning: world.random.chance(0.7) }),
  ({ manager, random }, id) =>
    manager.logs(id, { tail: 5, follow: random.chance(0.3) }).pipe(ignoreElements(), takeUntil(timer(20))),
];

/** Does a verb on an instance, both chosen at random; what it may fail with is known. */
async function doOne(world: World): Promise<void> {
  const { random, witness, manager, tally } = world;
  const known: readonly Instance[] = [...witness.table.values()];
  const id = random.chance(0.02) ? 'nobody' : (random.pick(known)?.id ?? 'nobody');
  const verb =
    known.length > mostInstances ? manager.delete : random.pick(verbs.map((one) => bind(one, world)));
  tally.verbs += 1;
  await settle(world, verb?.(id));
}

const bind =
  (verb: Verb, world: World) =>
  (id: string): Observable<unknown> =>
    verb(world, id);

/** Waits for a verb, and tells what it must not fail with. */
export async function settle(world: World, work$: Observable<unknown> | undefined): Promise<void> {
  if (work$ === undefined) return;
  const one$ = work$.pipe(
    timeout(patienceMs),
    throwIfEmpty(() => ({ _tag: 'InstanceNotFound' })),
  );
  await firstValueFrom(one$).catch((error: unknown) => {
    const tag = (error as { readonly _tag?: string })._tag ?? '';
    if (expected.has(tag) || (tag === 'ManagerClosed' && world.isClosing)) return;
    world.broken(`a verb failed with ${String(error)}`);
  });
}

/** Does many verbs in one turn, now and then: more than any queue holds. */
export const doBursts: Actor = async (world) => {
  while (!world.isOver) {
    await Promise.all(Array.from({ length: 60 }, () => doOne(world)));
    await pause(world.random.below(300));
  }
};

/** Does one verb after another. */
export const doVerbs: Actor = async (world) => {
  while (!world.isOver) {
    await doOne(world);
    await pause(world.random.below(4));
  }
};
