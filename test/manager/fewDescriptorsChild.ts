/** Creates instances all at once, tells what became of each, and what they wrote, which is read at once too. */
import { catchError, firstValueFrom, forkJoin, from, lastValueFrom, map, mergeMap, of, toArray } from 'rxjs';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import { openManager } from '../../src/manager/instanceManager.js';

const names = Array.from({ length: Number(process.argv[2]) }, (_, index) => `i-${String(index)}`);
const entrypoint = ['sh', '-c', 'ulimit -n; echo set; exec sleep 600'];
const readiness = { kind: 'log', pattern: '^set$' } as const;

void (async () => {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  const made = await lastValueFrom(
    forkJoin(
      names.map((name) =>
        manager.create({ name, image: 'scratch', entrypoint, readiness }).pipe(
          map(() => 'created'),
          catchError((error: unknown) => of((error as Error).message)),
        ),
      ),
    ),
  );
  const lines = await lastValueFrom(
    from(names).pipe(
      mergeMap(async (name) => {
        await firstValueFrom(manager.waitForState(name, 'Running'));
        const texts = await lastValueFrom(manager.logs(name).pipe(toArray()));
        return texts.map(({ text }) => text).join();
      }),
      toArray(),
    ),
  );
  await manager.close();
  process.stdout.write(JSON.stringify([...new Set(made), ...new Set(lines)]));
})();
