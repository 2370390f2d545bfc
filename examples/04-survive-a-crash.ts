/** Starts an instance again whenever it ends by itself, and kills it three times to show so. */
import { createProcessDriver, openManager } from 'rx-instances';
import { catchError, delay, EMPTY, filter, lastValueFrom, type Observable, take, tap } from 'rxjs';

const report = (error: unknown): Observable<never> => {
  console.error('cannot start it again:', error);
  return EMPTY;
};

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });

  // The policy. It has a queue of its own, so that a start may take the time that it takes. One that fails is reported, and
  // ends the policy for nobody else.
  const restarts$ = manager.consume('keep_alive', ({ action, instanceId }) =>
    action === 'exit' ? manager.start(instanceId).pipe(catchError(report)) : EMPTY,
  );
  restarts$.subscribe(({ name, startedAt = 0, handle }) => {
    console.log(`${name} runs again since ${new Date(startedAt).toISOString()} as ${String(handle?.pid)}`);
  });

  // The trouble: kill -9, as soon as it runs, three times.
  const kills$ = manager.events('trouble').pipe(
    filter(({ action }) => action === 'create' || action === 'start'),
    take(4),
    tap(({ instance }) => {
      console.log(`process ${String(instance?.handle?.pid)} runs`);
    }),
  );
  const done = lastValueFrom(
    kills$.pipe(
      filter((_, index) => index < 3),
      delay(300),
      tap(({ instance }) => process.kill(instance?.handle?.pid ?? NaN, 'SIGKILL')),
    ),
  );

  await lastValueFrom(manager.create({ name: 'worker', image: 'scratch', entrypoint: ['sleep', '60'] }));
  await done;
  const { state } = await lastValueFrom(manager.waitForState('worker', 'Running'));
  console.log(`in the end it is ${state}`);
  await manager.close();
}

void main();
