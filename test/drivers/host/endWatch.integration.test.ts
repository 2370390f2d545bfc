import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { lastValueFrom, type Observable, Subject, takeUntil } from 'rxjs';
import { createEndWatch } from '../../../src/drivers/host/endWatch.js';
import { findProcess, type ProcessHandle } from '../../../src/drivers/host/processHandle.js';
import { processTable } from '../../../src/drivers/host/processTable.js';
import { asAnybody } from '../../support/asAnybody.js';
import { until } from '../../support/until.js';

const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

const handleOf = async (pid: number): Promise<ProcessHandle> => {
  const entry = await processTable.find(pid);
  const startTime = entry?.startTime ?? '';
  return { pid, startTime, bootId: await processTable.bootId(), logStart: 0, home: '' };
};

async function started(user?: number): Promise<ProcessHandle> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', ...(user !== undefined && { uid: user }) });
  children.push(child);
  await once(child, 'spawn');
  return handleOf(child.pid as number);
}

const over = (ended$: Observable<never>): Promise<unknown> =>
  lastValueFrom(ended$, { defaultValue: undefined });

describe('the end of a process', () => {
  it('is told of each that has ended, and of no other', async () => {
    const watch = createEndWatch(1);
    const handles = [await started(), await started(), await started()];
    const ended: number[] = [];
    const enough$ = new Subject<void>();
    handles.forEach((handle) => {
      watch
        .ended(handle)
        .pipe(takeUntil(enough$))
        .subscribe({ complete: () => ended.push(handle.pid) });
    });
    for (const index of [1, 0]) {
      children[index]?.kill('SIGKILL');
      await until(
        () => ended.length,
        (length) => length === 2 - index,
      );
    }
    const [first, second, third] = handles.map(({ pid }) => pid);
    expect(ended).toEqual([second, first]);
    enough$.next();
    expect(ended).toEqual([second, first, third]);
  });

  it('is told whoever has its pid by now, however many are looked at', async () => {
    const watch = createEndWatch(1);
    const here = await handleOf(process.pid);
    const others = Array.from({ length: 100 }, () => watch.ended({ ...here }).subscribe());
    const ends = [{ startTime: '1' }, { bootId: 'another' }].map((change) =>
      over(watch.ended({ ...here, ...change })),
    );
    await Promise.all(ends);
    expect(others.map(({ closed }) => closed)).toEqual(others.map(() => false));
    for (const other of others) other.unsubscribe();
  });

  it('is told at the next look where nobody has the pid, however many are looked at', async () => {
    const watch = createEndWatch(1);
    const gone = await started();
    const exited = once(children[0] as ChildProcess, 'exit');
    children[0]?.kill('SIGKILL');
    await exited;
    const here = await handleOf(process.pid);
    const told: string[] = [];
    const noted = (name: string, handle: ProcessHandle): Promise<unknown> =>
      over(watch.ended(handle)).then(() => told.push(name));
    const another = noted('another has it', { ...here, startTime: '1' });
    const others = Array.from({ length: 100 }, () => watch.ended({ ...here }).subscribe());
    await Promise.all([another, noted('nobody has it', gone)]);
    expect(told).toEqual(['nobody has it', 'another has it']);
    for (const other of others) other.unsubscribe();
  });

  it('is not told of what is there and belongs to somebody else', async () => {
    const watch = createEndWatch(1);
    // What still has the superuser for its real user may signal all that is his: then it has to be a third one's.
    const foreign = process.geteuid?.() === 0 ? await started(1) : await handleOf(1);
    const first = watch.ended(foreign).subscribe();
    const here = await handleOf(process.pid);
    await asAnybody(() => over(watch.ended({ ...here, startTime: '1' })));
    expect(first.closed).toBe(false);
    first.unsubscribe();
  });

  it('is told while nobody has heard of it yet', async () => {
    // A shell that has become another program hears of no child.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(parent);
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const handle = await handleOf(Number(printed.toString()));
    const commandLine = () => readFileSync(`/proc/${String(parent.pid)}/cmdline`, 'utf8');
    expect(await until(commandLine, (line) => line.startsWith('sleep'))).toMatch(/^sleep/);
    const ended = over(createEndWatch(1).ended(handle));
    process.kill(handle.pid, 'SIGKILL');
    await ended;
    expect((await processTable.find(handle.pid))?.state).toBe('Z');
    expect(await findProcess(handle)).toBeUndefined();
  });

  it('is looked for again when somebody asks after all have left', async () => {
    const watch = createEndWatch(1);
    const handle = await started();
    watch.ended(handle).subscribe().unsubscribe();
    const ended = over(watch.ended(handle));
    children[0]?.kill('SIGKILL');
    await expect(ended).resolves.toBeUndefined();
  });
});
