/** Keeps workers warm: each was started long before its job comes, and stands by meanwhile, where it costs no CPU. */
import { createProcessDriver, type Instance, openManager } from 'rx-instances';
import { concatMap, lastValueFrom, merge, mergeMap, type Observable, range, Subject, tap, zip } from 'rxjs';

const size = 2;
const jobs = ['resize', 'encode', 'index', 'mail', 'archive'];

/** It takes its time to come up, and answers what it did. */
const worker = `
  const answer = (request, reply) => reply.end(request.url.slice(1) + ' is done by ' + process.env.INSTANCE_NAME);
  setTimeout(() => require('node:http').createServer(answer).listen(process.env.PORT), 500);`;

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });

  const warmed = (_: unknown, index: number): Observable<Instance> => {
    const port = 18_500 + index;
    const request = {
      name: `worker-${String(index)}`,
      image: 'scratch',
      entrypoint: ['node', '-e', worker],
      env: { PORT: String(port) },
      readiness: { kind: 'tcp', port } as const,
    };
    return manager.create(request).pipe(
      concatMap(({ id }) => manager.waitForState(id, 'Running')),
      concatMap(({ instance }) => manager.standby(instance.id)),
    );
  };

  const done = async (job: string, { spec }: Instance): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${String(spec.env['PORT'])}/${job}`);
    console.log(await answer.text());
  };

  // For each that is taken another is warmed: `size` stand by at any time, and no job sees what another has left.
  const taken$ = new Subject<void>();
  const workers$ = merge(range(size), taken$).pipe(mergeMap(warmed));
  const results$ = zip(jobs, workers$).pipe(
    tap(() => {
      taken$.next();
    }),
    mergeMap(([job, { id }]) =>
      manager.restore(id).pipe(
        concatMap((instance) => done(job, instance)),
        concatMap(() => manager.delete(id)),
      ),
    ),
  );
  await lastValueFrom(results$);
  await manager.close();
}

void main();
