/** A program that crashes over and over is started again, each time after a longer pause, until that is given up. */
import { createProcessDriver, openManager } from 'rx-instances';
import { filter, lastValueFrom, map, take, tap } from 'rxjs';

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  const begun = Date.now();
  const seconds = (time: number): string => `${((time - begun) / 1_000).toFixed(1)} s`;

  const exits$ = manager.events('example').pipe(
    tap(({ action, time, cause }) => {
      console.log(`${seconds(time)}: ${action} by ${cause.by}`);
    }),
    filter(({ action }) => action === 'exit'),
    map(({ instance }) => instance?.exit?.code),
    take(4),
  );
  const fourth = lastValueFrom(exits$);

  await lastValueFrom(
    manager.create({
      name: 'crashing',
      image: 'scratch',
      entrypoint: ['sh', '-c', 'exit 7'],
      // Without `maxBackoffMs` each pause is as long as the first. Who ran for `stableAfterMs` begins to count anew.
      restartPolicy: {
        policy: 'on_failure',
        backoffMs: 200,
        maxBackoffMs: 10_000,
        maxAttempts: 3,
        stableAfterMs: 60_000,
      },
    }),
  );
  console.log(`the last exit code was ${String(await fourth)}`);
  const { restartPolicy } = await lastValueFrom(manager.status('crashing'));
  console.log(`after ${String(restartPolicy?.attempts)} attempts: ${String(restartPolicy?.blockedReason)}`);

  // Somebody mends it, and starts it: that counts from the beginning.
  await lastValueFrom(manager.start('crashing', { entrypoint: ['sleep', '600'] }));
  const mended = await lastValueFrom(manager.status('crashing'));
  console.log(`mended: ${String(mended.restartPolicy?.attempts)} attempts`);
  await manager.close();
}

void main();
