/** A driver of your own, which meets the whole contract: its instances are threads, and the image is the code that they run. */
import * as E from 'fp-ts/lib/Either.js';
import { compileFunction } from 'node:vm';
import { Worker } from 'node:worker_threads';
import {
  type Driver,
  type LaunchPlan,
  LogNotFound,
  type Machine,
  openManager,
  type MachineSignal,
} from 'rx-instances';
import {
  defer,
  EMPTY,
  ignoreElements,
  lastValueFrom,
  map,
  mergeMap,
  of,
  race,
  ReplaySubject,
  throwError,
} from 'rxjs';

const homes = new Set<string>();
const machines = new Map<unknown, Machine>();

/** Gives what is there, and fails where nothing is. */
function existing<T>(it: T | false | undefined): T {
  if (it === undefined || it === false) throw new Error('there is no such thing');
  return it;
}

function startThread({ instanceId, spec, home }: LaunchPlan): Machine {
  existing(homes.has(home));
  compileFunction(spec.image); // What is no code cannot be launched.
  const thread = new Worker(spec.image, { eval: true, env: { ...spec.env, INSTANCE_ID: instanceId } });
  const handle = { thread: thread.threadId };
  const signals$ = new ReplaySubject<MachineSignal>(2);
  let ready = false;
  thread.once(spec.env['READY_BY'] === 'message' ? 'message' : 'online', () => {
    ready = true;
    signals$.next({ kind: 'ready' });
  });
  thread.once('error', () => undefined); // One that throws ends with code 1, which is told as its exit.
  thread.once('exit', (code) => {
    machines.delete(handle.thread);
    signals$.next({ kind: 'exit', exit: { code, signal: null } });
    signals$.complete();
  });
  const exit$ = signals$.pipe(mergeMap((it) => (it.kind === 'exit' ? of(it.exit) : EMPTY)));
  const kill = () => defer(() => thread.terminate()).pipe(mergeMap(() => exit$));
  const ended$ = exit$.pipe(map((exit) => ({ kind: 'ended', exit }) as const));
  const running$ = defer(() => of({ kind: 'running', ready } as const));
  const machine = { handle, signals$, inspect: () => race(ended$, running$), stop: kill, kill };
  machines.set(handle.thread, machine);
  return machine;
}

const done = (work: () => unknown) => defer(() => of(work())).pipe(ignoreElements());
const threadDriver: Driver = {
  kind: 'thread',
  capabilities: { standbyFrees: 'nothing', logs: [] },
  decode: (fields) => {
    const unknown = Object.keys(fields).map((path) => ({ path, found: 'a field', expected: 'none' }));
    return unknown.length > 0 ? E.left(unknown) : E.right({});
  },
  prepare: ({ home, copyOf }) =>
    done(() => homes.add(existing((copyOf === undefined || homes.has(copyOf)) && home))),
  launch: (plan) => defer(() => of(startThread(plan))),
  adopt: (_, { thread }) => defer(() => of(existing(machines.get(thread)))),
  discard: (home) => done(() => homes.delete(home)),
  logs: (_, { source }) => throwError(() => new LogNotFound({ source, sources: [] })),
};

void openManager({ drivers: [threadDriver] }).then(async (manager) => {
  manager.events('example').subscribe(({ action, instance }) => {
    console.log(action, instance?.state, instance?.exit ?? '');
  });
  await lastValueFrom(manager.run({ image: 'setTimeout(() => process.exit(3), 300)' }));
  await manager.close();
});
