import { firstValueFrom, toArray } from 'rxjs';
import type { Machine } from 'rx-instances';
import { createChecks } from '../../src/manager/checks.js';
import { all, createProcessBench } from '../drivers/process/processBench.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

const bench = createProcessBench();

const checkOf = (machine: Machine | undefined): ReturnType<typeof createChecks> =>
  createChecks({ of: () => (machine === undefined ? undefined : { machine, ready: true }) });

const shell = (line: string): readonly string[] => ['/bin/sh', '-c', line];

it.each([
  ['exit 0', { code: 0, signal: null }],
  ['yes | head -c 1000000; exit 7', { code: 7, signal: null }],
  ['kill -SEGV $$', { code: null, signal: 'SIGSEGV' }],
  ['kill -KILL $$', { code: null, signal: 'SIGKILL' }],
])('a check by %s tells how that ended, and what it writes comes to nothing', async (line, outcome) => {
  const { machine, plan } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const check$ = checkOf(machine)('web', { command: shell(line), timeoutMs: 60_000 });
  await expect(firstValueFrom(check$.pipe(toArray()))).resolves.toEqual([outcome]);
  await expect(bench.log(plan)).resolves.toEqual([]);
});

it('one that takes longer than it may is killed, which is told', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const check$ = checkOf(machine)('web', { command: ['sleep', '600'], timeoutMs: 50 });
  await expect(firstValueFrom(check$)).resolves.toEqual({ code: null, signal: 'SIGKILL', timedOut: true });
});

it('of one whose machine ends nothing is told, nor of one whose machine is gone', async () => {
  const { machine, plan } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const outcomes = all(checkOf(machine)('web', { command: ['sleep', '600'], timeoutMs: 60_000 }));
  await until(
    () => processesOf(plan.instanceId),
    (pids) => pids.length === 2,
  );
  await all(machine.kill());
  await expect(outcomes).resolves.toEqual([]);
  await expect(all(checkOf(undefined)('web', { command: ['true'], timeoutMs: 1 }))).resolves.toEqual([]);
});

it('of more than run at a time the others have their turn, and their time begins with it', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const check = checkOf(machine);
  const checking = Array.from({ length: 80 }, () =>
    firstValueFrom(check('web', { command: ['sleep', '0.1'], timeoutMs: 30_000 })),
  );
  const given = check('web', { command: ['sleep', '600'], timeoutMs: 60_000 }).subscribe();
  given.unsubscribe();
  const outcomes = await Promise.all(checking);
  expect(outcomes.filter(({ code }) => code === 0)).toHaveLength(80);
}, 60_000);

it('one that can not be started fails, and others have its turn', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const check = checkOf(machine);
  for (let count = 0; count < 70; count += 1) {
    await expect(
      firstValueFrom(check('web', { command: ['/no/such/program'], timeoutMs: 1_000 })),
    ).rejects.toThrow('there is no program "/no/such/program"');
  }
});
