/** A driver of your own: its instances are worker threads, and the image is the code that they run. */
import * as E from 'fp-ts/lib/Either.js';
import { Worker } from 'node:worker_threads';
import { type Driver, type LaunchPlan, type Machine, openManager, type Signal } from 'rx-instances';
import { defer, EMPTY, filter, lastValueFrom, map, NEVER, of, race, ReplaySubject, throwError } from 'rxjs';

function startThread({ spec }: LaunchPlan): Machine {
  const thread = new Worker(spec.image, { eval: true, env: spec.env });
  const signals$ = new ReplaySubject<Signal>(2);
  thread.once('online', () => {
    signals$.next({ kind: 'ready' });
  });
  // A thread that throws ends with code 1; that is told as its exit.
  thread.once('error', () => undefined);
  thread.once('exit', (code) => {
    signals$.next({ kind: 'exit', exit: { code, signal: null } });
    signals$.complete();
  });

  const exit$ = signals$.pipe(
    filter((signal) => signal.kind === 'exit'),
    map(({ exit }) => exit),
  );
  const kill = () =>
    defer(() => {
      void thread.terminate();
      return exit$;
    });
  const running$ = of({ kind: 'running', ready: true } as const);
  const ended$ = exit$.pipe(map((exit) => ({ kind: 'ended', exit }) as const));
  return { handle: {}, signals$, inspect: () => race(ended$, running$), stop: kill, kill };
}

const threadDriver: Driver = {
  kind: 'thread',
  capabilities: { standbyFrees: 'nothing', logs: [] },
  decode: (fields) => {
    const unknown = Object.keys(fields).map((path) => ({ path, found: 'a field', expected: 'none' }));
    return unknown.length > 0 ? E.left(unknown) : E.right({});
  },
  prepare: () => EMPTY,
  launch: (plan) => defer(() => of(startThread(plan))),
  adopt: () => throwError(() => new Error('a thread ends with its process')),
  discard: () => EMPTY,
  logs: () => NEVER,
};

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [threadDriver] });
  manager.events('example').subscribe(({ action, instance }) => {
    console.log(action, instance?.state, instance?.exit ?? '');
  });
  await lastValueFrom(manager.create({ name: 'counter', image: 'setTimeout(() => process.exit(3), 300)' }));
  await lastValueFrom(manager.waitForState('counter', 'Stopped'));
  await manager.close();
}

void main();
