/** Runs jobs, three at a time, as a build server does: each has its exit code and its output, and nothing of it is left. */
import { createProcessDriver, openManager, type RunOutcome } from 'rx-instances';
import { catchError, from, lastValueFrom, map, mergeMap, of, tap } from 'rxjs';

const jobs = {
  lint: 'echo all is well',
  test: 'echo 41 passed; echo 1 failed >&2; exit 1',
  build: 'sleep 0.2; echo built > result; cat result',
  endless: 'sleep 600',
};

function told({ exit, stdout, stderr }: RunOutcome): string {
  const failed =
    exit.timedOut === undefined ? `failed with ${String(exit.code ?? exit.signal)}` : 'took too long';
  return `${exit.code === 0 ? 'passed' : failed}: ${(stdout + stderr).trim()}`;
}

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });

  // `name` could be the job's; without one a run has a name of its own, so that a job can run twice at once.
  const results$ = from(Object.entries(jobs)).pipe(
    mergeMap(
      ([job, script]) =>
        manager
          .run({ image: 'scratch', entrypoint: ['sh', '-c', script], runTimeoutMs: 1_500, tags: { job } })
          .pipe(
            map(told),
            catchError((error: unknown) => of(`gave up: ${String(error)}`)),
            map((result) => `${job} ${result}`),
          ),
      3,
    ),
    tap((line) => {
      console.log(line);
    }),
  );
  await lastValueFrom(results$);
  await manager.close();
}

void main();
