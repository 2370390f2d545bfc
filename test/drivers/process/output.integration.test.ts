import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EMPTY, firstValueFrom, NEVER, Subject, toArray } from 'rxjs';
import { createProcessDriver, type LaunchPlan, type LogLine, type LogReading } from 'rx-instances';
import { isInUse } from '../../../src/drivers/host/isInUse.js';
import { createLogFiles } from '../../../src/drivers/host/logFiles.js';
import { readRun } from '../../../src/drivers/host/runRecord.js';
import { readinessOf } from '../../../src/drivers/host/readinessOf.js';
import { all, createProcessBench, eventually, exitOf, readyScript, script } from './processBench.js';

const logLimits = { logMaxBytes: 200_000, logKeep: 2 };
const bench = createProcessBench(logLimits);

const linesOf = ({ home }: LaunchPlan, reading: Partial<LogReading> = {}): Promise<LogLine[]> =>
  all(bench.driver.logs(home, { source: 'app', tail: Infinity, ...reading }));

const textsOf = async (plan: LaunchPlan, reading: Partial<LogReading> = {}): Promise<readonly string[]> =>
  (await linesOf(plan, reading)).map(({ text }) => text);

const bytesOf = ({ home }: LaunchPlan): readonly number[] =>
  readdirSync(join(home, 'logs')).map((name) => statSync(join(home, 'logs', name)).size);

/** The process that reads what the instance writes. */
const readerOf = ({ home }: LaunchPlan): number =>
  Number(readlinkSync(join(home, 'run', 'reader')).split('.')[0]);

/** In which control group a process is, in the words of the kernel. */
const groupOf = (pid: number): string => readFileSync(`/proc/${String(pid)}/cgroup`, 'utf8');

const isReader = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes('rx-instances-output');
  } catch {
    return false;
  }
};

const parentOf = (pid: number): number =>
  Number(
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ')[1],
  );

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);

/** Writes line by line until there is a file `enough`; while there is a file `hold` it waits, and tells in `held` how far it came. */
const counting: Partial<LaunchPlan['spec']> = {
  entrypoint: [
    process.execPath,
    '-e',
    `const { existsSync, rmSync, writeFileSync } = require('node:fs');
     let line = 0;
     const write = () => {
       if (existsSync('hold')) {
         if (!existsSync('held')) writeFileSync('held', String(line));
       } else {
         rmSync('held', { force: true });
         console.log('line ' + (line += 1));
         if (existsSync('enough')) return;
       }
       setTimeout(write, 1);
     };
     write();`,
  ],
};

/** Does something while it writes nothing, and all that it wrote is in the log: whoever reads would lose what he has in his hands. */
const whileHeld = async (plan: LaunchPlan, work: () => void): Promise<void> => {
  const [hold, held] = ['hold', 'held'].map((name) => join(plan.home, 'work', name)) as [string, string];
  writeFileSync(hold, '');
  await eventually(() => existsSync(held) && readFileSync(held, 'utf8') !== '');
  const lines = Number(readFileSync(held, 'utf8'));
  for (let kept = 0; kept < lines;) kept = (await textsOf(plan)).length;
  work();
  rmSync(hold);
};

/** Lets it end, and tells what it has written. */
const endCounting = async (plan: LaunchPlan): Promise<readonly string[]> => {
  writeFileSync(join(plan.home, 'work', 'enough'), '');
  await eventually(() => !existsSync(join(plan.home, 'run', 'stdout')));
  return textsOf(plan);
};

const isRead = ({ home }: LaunchPlan): boolean => readdirSync(join(home, 'run')).includes('reader');
const sizeOf = (plan: LaunchPlan): number => bytesOf(plan).reduce((sum, bytes) => sum + bytes, 0);

/** Comes once it has written more. */
const goesOn = async (plan: LaunchPlan): Promise<void> => {
  const before = sizeOf(plan);
  await eventually(() => sizeOf(plan) > before);
};

const counted = (lines: number): readonly string[] =>
  Array.from({ length: lines }, (_, index) => `line ${String(index + 1)}`);

describe('what a process writes', () => {
  it('is told line by line, with time, stream and run', async () => {
    const before = Date.now();
    const { plan, machine } = await bench.launched(script('echo one; echo two >&2; printf "three\\r\\n"'));
    await exitOf(machine);
    const lines = await linesOf(plan);
    const run = machine.handle['run'];
    expect(lines.filter(({ stream }) => stream === 'stdout')).toMatchObject([
      { text: 'one', stream: 'stdout', partial: false, run },
      { text: 'three', stream: 'stdout', partial: false, run },
    ]);
    expect(lines.filter(({ stream }) => stream === 'stderr')).toMatchObject([{ text: 'two', run }]);
    for (const { time = 0 } of lines) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(Date.now());
    }
  });

  it('is all there when its end is told', async () => {
    const { plan, machine } = await bench.launched(script('seq 1 100'));
    await exitOf(machine);
    await expect(textsOf(plan)).resolves.toEqual(Array.from({ length: 100 }, (_, i) => String(i + 1)));
    expect(readdirSync(join(plan.home, 'run'))).not.toContain('stdout');
  });

  it('is all there though another writes as fast as it can', async () => {
    const { machine: flood } = await bench.launched({ entrypoint: ['yes', ''] });
    for (let job = 0; job < 5; job += 1) {
      const { plan, machine } = await bench.launched(script('echo result; exit 3'));
      await exitOf(machine);
      await expect(textsOf(plan)).resolves.toEqual(['result']);
    }
    await all(flood.kill());
  });

  it('may go through /dev/stdout and /dev/stderr by name, and takes nothing away', async () => {
    const { plan, machine } = await bench.launched(
      script(
        'echo one; echo two > /dev/stdout; echo three >> /dev/stdout; echo four > /dev/stderr; echo five',
      ),
    );
    await exitOf(machine);
    await expect(textsOf(plan, { stream: 'stdout' })).resolves.toEqual(['one', 'two', 'three', 'five']);
    await expect(textsOf(plan, { stream: 'stderr' })).resolves.toEqual(['four']);
  });

  it('is told as unfinished where a run ends amid a line, and the next run begins one', async () => {
    const { plan, machine } = await bench.launched(script('echo whole; printf cut'));
    const told: LogLine[] = [];
    const following = bench.driver
      .logs(plan.home, { source: 'app', tail: Infinity, followUntil$: NEVER })
      .subscribe((line) => told.push(line));
    await exitOf(machine);
    bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    await eventually(() => told.length === 4);
    following.unsubscribe();
    expect(told.map(({ text, partial }) => [text, partial])).toEqual([
      ['whole', false],
      ['cut', true],
      ['whole', false],
      ['cut', true],
    ]);
    expect(new Set(told.map(({ run }) => run)).size).toBe(2);
  });

  it('is told in pieces that say so where a line is very long', async () => {
    const { plan, machine } = await bench.launched({
      entrypoint: [process.execPath, '-e', `console.log('é'.repeat(100_000)); console.log('next')`],
    });
    await exitOf(machine);
    const lines = await linesOf(plan);
    const long = lines.slice(0, -1);
    expect(long.map(({ text }) => text).join('')).toBe('é'.repeat(100_000));
    expect(long.map(({ partial }) => partial)).toEqual([...long.slice(1).map(() => true), false]);
    expect(lines.at(-1)).toMatchObject({ text: 'next', partial: false });
    await expect(linesOf(plan, { tail: 1 })).resolves.toEqual(lines.slice(-1));
    await expect(linesOf(plan, { tail: 2 })).resolves.toEqual(lines);
  });

  it('is told whole where the last line is asked for, however long it is', async () => {
    const { plan, machine } = await bench.launched({
      entrypoint: [process.execPath, '-e', `console.log('before'); console.log('x'.repeat(200_000))`],
    });
    await exitOf(machine);
    const last = await linesOf(plan, { tail: 1 });
    expect(last.map(({ text }) => text).join('')).toBe('x'.repeat(200_000));
  });

  it('goes on to be read when a process is started again, and cursors lead on', async () => {
    const { plan, machine } = await bench.launched(script('echo one; echo two'));
    await exitOf(machine);
    const [one, two] = await linesOf(plan);
    const again = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    await exitOf(again);
    await expect(textsOf(plan, { after: one?.cursor ?? 0 })).resolves.toEqual(['two', 'one', 'two']);
    await expect(textsOf(plan, { after: two?.cursor ?? 0 })).resolves.toEqual(['one', 'two']);
    await expect(textsOf(plan, { since: two?.time ?? 0 })).resolves.toEqual(
      expect.arrayContaining(['one', 'two']),
    );
    await expect(textsOf(plan, { since: Date.now() + 1_000 })).resolves.toEqual([]);
    await expect(textsOf(plan, { tail: 3 })).resolves.toEqual(['two', 'one', 'two']);
  });
});

describe('the limit of a log is kept', () => {
  const most = logLimits.logMaxBytes * (logLimits.logKeep + 1);

  it('whatever a process writes, without a line lost of what is kept', async () => {
    const { plan, machine } = await bench.launched(script('seq -f "line %.0f" 1 200000'));
    await exitOf(machine);
    const texts = await textsOf(plan);
    const first = Number(texts[0]?.slice(5));
    expect(texts).toEqual(counted(200_000).slice(first - 1));
    expect(bytesOf(plan).every((bytes) => bytes <= logLimits.logMaxBytes)).toBe(true);
    expect(sizeOf(plan)).toBeGreaterThan(most / 2);
    expect(bytesOf(plan)).toHaveLength(logLimits.logKeep + 1);
  });

  it('by many short runs', async () => {
    const plan = await bench.prepared(
      script('seq -f "a line of some length that is no more than a number %.0f" 1 500'),
    );
    for (let run = 0; run < 15; run += 1) {
      await exitOf(bench.hold(await firstValueFrom(bench.driver.launch(plan))));
      expect(bytesOf(plan).every((bytes) => bytes <= logLimits.logMaxBytes)).toBe(true);
    }
    expect(bytesOf(plan)).toHaveLength(logLimits.logKeep + 1);
  });
});

describe('who reads what a process writes', () => {
  it('may be killed again and again: nothing is lost, and no process hears of it', async () => {
    const { plan, machine } = await bench.launched(counting);
    await eventually(() => isRead(plan));
    for (let kill = 0; kill < 3; kill += 1) {
      const reader = readerOf(plan);
      await whileHeld(plan, () => process.kill(reader, 'SIGKILL'));
      await eventually(() => isRead(plan) && readerOf(plan) !== reader);
      await goesOn(plan);
    }
    const texts = await endCounting(plan);
    await expect(exitOf(machine)).resolves.toEqual({ code: 0, signal: null });
    expect(texts).toEqual(counted(texts.length));
  });

  it('reads on when the spawner is killed', async () => {
    const { plan } = await bench.launched(counting);
    await eventually(() => isRead(plan));
    const reader = readerOf(plan);
    process.kill(parentOf(reader), 'SIGKILL');
    await goesOn(plan);
    expect(readerOf(plan)).toBe(reader);
    const texts = await endCounting(plan);
    expect(texts).toEqual(counted(texts.length));
  });

  it('is another when it is killed with its spawner', async () => {
    const { plan } = await bench.launched(counting);
    await eventually(() => isRead(plan));
    const reader = readerOf(plan);
    await whileHeld(plan, () => {
      process.kill(parentOf(reader), 'SIGKILL');
      process.kill(reader, 'SIGKILL');
    });
    await eventually(() => isRead(plan) && readerOf(plan) !== reader);
    await goesOn(plan);
    const texts = await endCounting(plan);
    expect(texts).toEqual(counted(texts.length));
  });
});

describe('the process that reads', () => {
  it('is in no group of an instance, however many are started while it is replaced', async () => {
    const { plan: kept } = await bench.launched(counting);
    await eventually(() => isRead(kept));
    const spawnerPid = parentOf(readerOf(kept));
    const groups = new Set<string>();
    for (let round = 0; round < 6; round += 1) {
      const plans = await Promise.all(Array.from({ length: 4 }, () => bench.prepared(script('sleep 600'))));
      const starting = plans.map(async (plan) => bench.hold(await firstValueFrom(bench.driver.launch(plan))));
      await starting[round % 4];
      const former = readerOf(kept);
      process.kill(former, 'SIGKILL');
      await eventually(() => childrenOf(spawnerPid).some((pid) => pid !== former && isReader(pid)));
      for (const pid of childrenOf(spawnerPid)) if (isReader(pid)) groups.add(groupOf(pid));
      const machines = await Promise.all(starting);
      await Promise.all(machines.map((machine) => all(machine.kill())));
      await eventually(() => isRead(kept) && readerOf(kept) !== former);
    }
    expect([...groups].filter((group) => group.includes('rx-instances.'))).toEqual([]);
    await endCounting(kept);
  });

  it('ends with the driver, also where it came after all had ended that it was to read', async () => {
    const driver = createProcessDriver({ pollMs: 5 });
    const readers = new Set<number>();
    for (let run = 0; run < 10; run += 1) {
      const plan = { ...(await bench.prepared(script('exit 0'))), outlives: true };
      const machine = await firstValueFrom(driver.launch(plan));
      const { pid } = (await readRun(plan.home))?.spawner ?? {};
      for (const child of childrenOf(pid ?? NaN)) readers.add(child);
      await exitOf(machine);
    }
    await all(driver.close?.() ?? EMPTY);
    expect(readers.size).toBeGreaterThan(0);
    await eventually(() => [...readers].every((pid) => !isInUse(pid)));
  });
});

describe('a log', () => {
  it('of an earlier version is read on, and what comes next is after it', async () => {
    const plan = await bench.prepared(script('echo new'));
    mkdirSync(join(plan.home, 'logs'), { recursive: true });
    writeFileSync(join(plan.home, 'logs', 'app.log.0-8'), 'older 1\n');
    writeFileSync(join(plan.home, 'logs', 'app.log'), 'old 1\nold 2, cut');
    await expect(textsOf(plan)).resolves.toEqual(['older 1', 'old 1', 'old 2, cut']);
    await exitOf(bench.hold(await firstValueFrom(bench.driver.launch(plan))));
    const lines = await linesOf(plan);
    expect(lines.map(({ text }) => text)).toEqual(['older 1', 'old 1', 'old 2, cut', 'new']);
    expect(lines.map(({ time }) => time === undefined)).toEqual([true, true, true, false]);
    await expect(textsOf(plan, { tail: 2 })).resolves.toEqual(['old 2, cut', 'new']);
    await expect(textsOf(plan, { after: lines[1]?.cursor ?? 0 })).resolves.toEqual(['old 2, cut', 'new']);
  });

  it('is written by the process itself where that is asked for, and goes on after what was read', async () => {
    const plan = await bench.prepared(script('echo through a pipe'));
    await exitOf(bench.hold(await firstValueFrom(bench.driver.launch(plan))));
    const spec = { ...plan.spec, output: 'file' as const, ...script('readlink /proc/$$/fd/1 | tail -c 8') };
    await exitOf(bench.hold(await firstValueFrom(bench.driver.launch({ ...plan, spec }))));
    await exitOf(bench.hold(await firstValueFrom(bench.driver.launch(plan))));
    await expect(textsOf(plan)).resolves.toEqual(['through a pipe', 'app.log', 'through a pipe']);
  });

  it('that is followed is told to its end when that is asked for, the last line unfinished or not', async () => {
    const { plan } = await bench.launched(readyScript('echo ready; printf "and on"; exec sleep 600'));
    const end$ = new Subject<void>();
    const told = firstValueFrom(
      bench.driver.logs(plan.home, { source: 'app', tail: Infinity, followUntil$: end$ }).pipe(toArray()),
    );
    await eventually(() => sizeOf(plan) > 80);
    end$.next();
    expect((await told).map(({ text, partial }) => [text, partial])).toEqual([
      ['ready', false],
      ['and on', true],
    ]);
  });
});

describe('what another run has written', () => {
  it('readies nobody', async () => {
    const plan = await bench.prepared();
    mkdirSync(join(plan.home, 'logs'), { recursive: true });
    const path = join(plan.home, 'logs', 'app.cri.log');
    const write = (run: string, text: string): void => {
      appendFileSync(path, `2026-11-28T12:00:00.000Z stdout F:${run} ${text}\n`);
    };
    write('aaaa', 'ready');
    const log = createLogFiles(plan.home);
    const place = { log, logStart: 0, run: 'bbbb', pollMs: 1 };
    let isReady = false;
    readinessOf({ kind: 'log', pattern: '^ready$' }, place).subscribe({ complete: () => (isReady = true) });
    const seen = firstValueFrom(readinessOf({ kind: 'log', pattern: '^later$' }, place), { defaultValue: 0 });
    write('bbbb', 'later');
    await seen;
    expect(isReady).toBe(false);
    write('bbbb', 'ready');
    await eventually(() => isReady);
  });
});
