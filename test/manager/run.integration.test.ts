import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProcessDriver, type InstanceManager, openManager, type RunRequest } from 'rx-instances';
import { filter, firstValueFrom, lastValueFrom, map, mergeMap, range, tap, timeout, toArray } from 'rxjs';
import { processesOf } from '../support/processes.js';

let manager: InstanceManager;

const script = (text: string): RunRequest => ({ image: 'scratch', entrypoint: ['sh', '-c', text] });

const left = (): Promise<readonly unknown[]> => firstValueFrom(manager.list());

const deletion = (): Promise<unknown> =>
  firstValueFrom(manager.events('test').pipe(filter(({ action }) => action === 'delete')));

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 })] });
});

afterEach(() => manager.close());

it('a job is run in a home of its own, and its output is all that it wrote, in each stream', async () => {
  const text = 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; done; pwd >&2; printf end; exit 7';
  const { exit, stdout, stderr, truncated, instance } = await firstValueFrom(manager.run(script(text)));
  const numbers = Array.from({ length: 2_000 }, (_, n) => `${String(n + 1)}\n`);
  expect(stdout).toBe(`${numbers.join('')}end`);
  expect(stderr).toContain(instance.id);
  expect([exit, truncated]).toEqual([{ code: 7, signal: null }, false]);
  expect(await left()).toEqual([]);
});

it('whatever was lost of the output of a job that writes more than its log keeps, it is told', async () => {
  const drivers = [createProcessDriver({ pollMs: 5, logMaxBytes: 100_000, logKeep: 2 })];
  const small = await openManager({ drivers });
  const { stdout, truncated } = await firstValueFrom(small.run(script('seq 1 100000')));
  await small.close();
  const numbers = Array.from({ length: 100_000 }, (_, n) => `${String(n + 1)}\n`).join('');
  expect(stdout.slice(-7)).toBe('100000\n');
  expect(truncated).toBe(stdout !== numbers);
});

it('of a job that writes for long nothing is lost, though its log keeps less, and each line is told meanwhile', async () => {
  const drivers = [createProcessDriver({ pollMs: 5, logMaxBytes: 10_000, logKeep: 4 })];
  const small = await openManager({ drivers });
  const heard: string[] = [];
  const isThere = '[ -e go$i ] || { sleep 0.01; continue; }';
  const text = `i=1; seq 300; while [ $i -le 6 ]; do ${isThere}; seq $((i*300+1)) $((i*300+300)); i=$((i+1)); done`;
  let directory = '';
  const goOn = (line: string): void => {
    heard.push(line);
    if (line.startsWith('/')) directory = line;
    else if (Number(line) % 300 === 0) writeFileSync(join(directory, `go${String(Number(line) / 300)}`), '');
  };
  const run$ = small.run(script(`pwd; ${text}`), { onLine: (line) => goOn(line.text) });
  const { stdout, truncated } = await firstValueFrom(run$);
  await small.close();
  const numbers = Array.from({ length: 2_100 }, (_, n) => String(n + 1));
  expect(heard.slice(1)).toEqual(numbers);
  expect([stdout, truncated]).toEqual([`${heard.join('\n')}\n`, false]);
});

it('the line ends of Windows are told as the others', async () => {
  const { stdout } = await firstValueFrom(manager.run(script("printf 'a\\r\\nb\\rc\\n'")));
  expect(stdout).toBe('a\nb\rc\n');
});

it('a job that ends by a signal, and one that writes nothing, are told as such', async () => {
  const outcome = await firstValueFrom(manager.run(script('kill -9 $$')));
  expect(outcome).toMatchObject({ exit: { code: null, signal: 'SIGKILL' }, stdout: '', stderr: '' });
});

it('fifty jobs at once have each its own output', async () => {
  const outcomes$ = range(0, 50).pipe(
    mergeMap((n) => manager.run(script(`echo ${String(n)}; exit ${String(n)}`))),
    toArray(),
  );
  const outcomes = await lastValueFrom(outcomes$);
  const told = outcomes.map(({ exit, stdout }) => [exit.code, stdout] as const);
  expect(told.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 50 }, (_, n) => [n, `${String(n)}\n`]),
  );
  expect(await left()).toEqual([]);
}, 60_000);

it('a program that does not exist fails, and leaves nothing', async () => {
  const run$ = manager.run({ image: 'scratch', entrypoint: ['no-such-program'] });
  await expect(lastValueFrom(run$)).rejects.toMatchObject({ _tag: 'LaunchFailed' });
  expect(await left()).toEqual([]);
});

it('a job that is given up has its time to end, and leaves no process', async () => {
  const text = 'trap "echo bye; exit" TERM; sleep 600 & echo on; wait';
  const deleted = deletion();
  const subscription = manager.run({ ...script(text), name: 'job' }).subscribe();
  const { instance } = await firstValueFrom(manager.waitForState('job', 'Running', { mayBeAbsent: true }));
  const lines$ = manager.logs('job', { follow: true }).pipe(
    tap((line) => {
      if (line.text === 'on') subscription.unsubscribe();
    }),
  );
  // Those who follow the log hear its last words, and its end once the instance goes.
  expect(
    await lastValueFrom(
      lines$.pipe(
        map((line) => line.text),
        toArray(),
      ),
    ),
  ).toEqual(['on', 'bye']);
  await deleted;
  expect(await left()).toEqual([]);
  expect(processesOf(instance.id)).toEqual([]);
});

it('timeout of RxJS bounds a job', async () => {
  const deleted = deletion();
  const run$ = manager.run(script('sleep 600')).pipe(timeout(100));
  await expect(lastValueFrom(run$)).rejects.toMatchObject({ name: 'TimeoutError' });
  await deleted;
  expect(await left()).toEqual([]);
});
