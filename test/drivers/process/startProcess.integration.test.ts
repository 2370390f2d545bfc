import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import type { ExitStatus, InstanceSpec, LaunchPlan } from 'rx-instances';
import { createSpawner } from '../../../src/drivers/host/spawner.js';
import type { InheritEnv } from '../../../src/drivers/process/environmentOf.js';
import { startProcess } from '../../../src/drivers/process/startProcess.js';
import { workDirOf } from '../../../src/drivers/process/workDir.js';
import { elf } from '../../support/elf.js';
import { asAnybody } from '../../support/asAnybody.js';
import { processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { createProcessBench, script } from './processBench.js';

const bench = createProcessBench();
const spawner = createSpawner();

afterAll(() => spawner.close());

const logOf = ({ home }: LaunchPlan): string => join(home, 'logs', 'app.log');

/** Runs a program to its end. */
async function run(plan: LaunchPlan): Promise<{ readonly exit: ExitStatus; readonly written: string }> {
  const { ended$ } = await startProcess(spawner, plan, logOf(plan));
  const exit = await firstValueFrom(ended$);
  return { exit, written: readFileSync(logOf(plan), 'utf8') };
}

const written = async (fields: Partial<InstanceSpec>): Promise<string> =>
  (await run(await bench.prepared(fields))).written;

/** Writes a program into the working directory. */
function addProgram({ home }: LaunchPlan, text: string | Buffer, mode = 0o755, name = 'program'): void {
  const path = join(workDirOf(home), name);
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** A program of this machine that names a loader which is not there. */
function withoutLoader(): Buffer {
  const loader = /\/lib[\w/.-]*\/ld-[\w.-]+(?=\0)/;
  const text = readFileSync(realpathSync('/bin/true'), 'latin1');
  return Buffer.from(
    text.replace(loader, (name) => name.replace('ld-', 'xx-')),
    'latin1',
  );
}

describe('a process', () => {
  it('gets its arguments as they are: no shell looks at them', async () => {
    const entrypoint = [process.execPath, '-p', 'JSON.stringify(process.argv.slice(1))', '--'];
    const cmd = ['', ' ', '$HOME', '*', 'a;b', '"', '`id`', '\n', '-x', '😀'];
    expect(JSON.parse(await written({ entrypoint, cmd }))).toEqual(cmd);
  });

  it('is the first text of cmd, where there is no entrypoint', async () => {
    await expect(written({ cmd: ['echo', 'hello'] })).resolves.toBe('hello\n');
  });

  it('works in its working directory, and is found there by a path that begins with a dot', async () => {
    const plan = await bench.prepared({ entrypoint: ['./program'] });
    addProgram(plan, '#!/bin/sh\npwd');
    await expect(run(plan)).resolves.toMatchObject({ written: `${workDirOf(plan.home)}\n` });
  });

  it('is looked for where its own PATH says', async () => {
    const plan = await bench.prepared();
    addProgram(plan, '#!/bin/sh\necho found');
    const spec = { ...plan.spec, entrypoint: ['program'], env: { PATH: workDirOf(plan.home) } };
    await expect(run({ ...plan, spec })).resolves.toMatchObject({ written: 'found\n' });
  });

  it('has both its outputs in one log, in the order in which it wrote, after what was there', async () => {
    const plan = await bench.prepared(script('echo one; echo two >&2; echo three; (echo four >&2) & wait'));
    writeFileSync(logOf(plan), 'before\n');
    await expect(run(plan)).resolves.toMatchObject({ written: 'before\none\ntwo\nthree\nfour\n' });
  });

  it('has a log for its owner only', async () => {
    const plan = await bench.prepared(script('echo secret'));
    await run(plan);
    expect(statSync(logOf(plan)).mode & 0o777).toBe(0o600);
  });

  it('reads nothing from its standard input', async () => {
    await expect(written(script('read line; echo "$?:$line"'))).resolves.toBe('1:\n');
  });

  it('has the variables of its spec, its id and its name, and of ours what everybody needs', async () => {
    const ours = { ...process.env };
    Object.assign(process.env, {
      LANG: 'C.UTF-8',
      LC_TIME: 'C',
      TZ: 'UTC',
      SECRET: 'x',
      NODE_OPTIONS: '',
      LC: '',
    });
    try {
      const plan = await bench.prepared({
        entrypoint: ['/usr/bin/env', '-0'],
        env: { LANG: 'C', OWN: 'two\nlines', EMPTY: '', INSTANCE_ID: 'forged', INSTANCE_NAME: 'forged' },
      });
      const variables = (await run(plan)).written.split('\0').filter((line) => line !== '');
      const got: unknown = Object.fromEntries(variables.map((line) => line.split(/=(.*)/s).slice(0, 2)));

      expect(got).toEqual({
        ...Object.fromEntries(
          ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR']
            .filter((key) => process.env[key] !== undefined)
            .map((key) => [key, process.env[key]]),
        ),
        TZ: 'UTC',
        ...Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith('LC_'))),
        LANG: 'C',
        OWN: 'two\nlines',
        EMPTY: '',
        INSTANCE_ID: plan.instanceId,
        INSTANCE_NAME: plan.name,
      });
    } finally {
      process.env = ours;
    }
  });

  it.each<[string, InheritEnv, string]>([
    ['those that the driver names', ['SECRET', 'OWN', 'NOT_THERE'], 'x own - -'],
    ['all, where the driver says so', true, 'x own y -'],
  ])('has of our variables, as they are by then, %s; its own go before', async (_, inheritEnv, expected) => {
    const ours = { ...process.env };
    try {
      const plan = await bench.prepared({
        ...script('echo "$SECRET $OWN ${OTHER:--} ${NOT_THERE:--}"; [ "$INSTANCE_ID" != forged ]'),
        env: { OWN: 'own' },
      });
      Object.assign(process.env, { SECRET: 'x', OWN: 'ours', OTHER: 'y', INSTANCE_ID: 'forged' });
      const { ended$ } = await startProcess(spawner, plan, logOf(plan), { inheritEnv });
      await expect(firstValueFrom(ended$)).resolves.toEqual({ code: 0, signal: null });
      expect(readFileSync(logOf(plan), 'utf8')).toBe(`${expected}\n`);
    } finally {
      process.env = ours;
    }
  });

  it('tells its end to whoever asks after it', async () => {
    const plan = await bench.prepared(script('exit 7'));
    const { ended$ } = await startProcess(spawner, plan, logOf(plan));
    const exit = { code: 7, signal: null };
    await expect(firstValueFrom(ended$)).resolves.toEqual(exit);
    await expect(firstValueFrom(ended$)).resolves.toEqual(exit);
  });
});

describe('a process is not started', () => {
  it.each<[string, Partial<InstanceSpec>, (plan: LaunchPlan) => unknown, string, string]>([
    [
      'when there is no such program in PATH',
      // A folder of ours may be one that this user may not enter.
      { entrypoint: ['no-such-program', 'x'], env: { PATH: '/usr/bin:/bin' } },
      () => undefined,
      'there is no program "no-such-program" in PATH',
      'ENOENT',
    ],
    [
      'when there is no such file',
      { entrypoint: ['/no/such/program'] },
      () => undefined,
      'there is no program "/no/such/program"',
      'ENOENT',
    ],
    [
      'when its interpreter is missing',
      { entrypoint: ['./program'] },
      (plan) => {
        addProgram(plan, '#!/no/such/interpreter\n');
      },
      'the program "./program" names in its first line "/no/such/interpreter", which is not there',
      'ENOENT',
    ],
    [
      'when its first line ends as lines do on Windows',
      { entrypoint: ['./program'] },
      (plan) => {
        addProgram(plan, '#! /bin/sh\r\ntrue\r\n');
      },
      'the program "./program" names in its first line "/bin/sh\\r", which is not there',
      'ENOENT',
    ],
    [
      'when its interpreter is missing and it was found in PATH',
      { entrypoint: ['program'], env: { PATH: '/no/such/folder:.' } },
      (plan) => {
        addProgram(plan, '#!/no/such/interpreter -x\n');
      },
      'the program "program" names in its first line "/no/such/interpreter", which is not there',
      'ENOENT',
    ],
    [
      'when the system lacks what loads it',
      { entrypoint: ['./program'] },
      (plan) => {
        addProgram(plan, withoutLoader());
      },
      'what loads the program "./program" on this system is not there',
      'ENOENT',
    ],
    [
      'when the system lacks what loads its interpreter',
      { entrypoint: ['./script'] },
      (plan) => {
        addProgram(plan, withoutLoader());
        addProgram(plan, '#!./program\n', 0o755, 'script');
      },
      'what loads the program "./program" on this system is not there',
      'ENOENT',
    ],
    [
      'when it is a link that leads nowhere',
      { entrypoint: ['./program'] },
      ({ home }) => {
        symlinkSync('/no/such/program', join(workDirOf(home), 'program'));
      },
      'there is no program "./program"',
      'ENOENT',
    ],
    [
      'when it may not be executed',
      { entrypoint: ['./program'] },
      (plan) => {
        addProgram(plan, '#!/bin/sh\n', 0o644);
      },
      '"./program" may not be executed',
      'EACCES',
    ],
    [
      'when it is a folder',
      { entrypoint: ['./program'] },
      ({ home }) => mkdirSync(join(workDirOf(home), 'program')),
      '"./program" may not be executed',
      'EACCES',
    ],
    [
      'when its arguments are longer than the kernel takes',
      { entrypoint: ['true', 'x'.repeat(3_000_000)] },
      () => undefined,
      'spawn E2BIG',
      'E2BIG',
    ],
  ])('%s', async (_, fields, arrange, reason, code) => {
    const plan = await bench.prepared(fields);
    arrange(plan);
    const before = readdirSync(plan.home, { recursive: true });
    await expect(startProcess(spawner, plan, logOf(plan))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: reason,
      reason,
      cause: { code },
    });
    expect(processesOf(plan.instanceId)).toEqual([]);
    // The log, empty.
    expect(readdirSync(plan.home, { recursive: true }).length - before.length).toBe(1);
    expect(statSync(logOf(plan)).size).toBe(0);
  });

  it.each<[string, string | Buffer, string]>([
    ['a text that a shell would take for a script', 'echo > started', 'a text file without #!'],
    ['for another machine', elf({ machine: 183 }), 'a program for another machine (aarch64)'],
  ])('when it is %s, and nothing else takes it', async (_, content, what) => {
    const plan = await bench.prepared({ entrypoint: ['./program'] });
    addProgram(plan, content);
    const before = readdirSync(plan.home, { recursive: true });
    await expect(startProcess(spawner, plan, logOf(plan))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      reason: `"./program" is ${what}`,
      cause: { code: 'ENOEXEC', path: './program' },
    });
    expect(readdirSync(plan.home, { recursive: true })).toEqual(before);
  });

  const cannotOpen = (log: string, code: string): object => ({
    _tag: 'LaunchFailed',
    reason: expect.stringMatching(
      new RegExp(`^the log cannot be opened: ${code}: .*, open '${log}'$`),
    ) as unknown,
    cause: { code, path: log },
  });

  it.each<[string, (log: string) => void, string]>([
    [
      'is a folder',
      (log) => {
        mkdirSync(log);
      },
      'EISDIR',
    ],
    [
      'has no folder',
      (log) => {
        rmdirSync(dirname(log));
      },
      'ENOENT',
    ],
  ])('when its log %s', async (_, arrange, code) => {
    const plan = await bench.prepared({ entrypoint: ['true'] });
    const log = logOf(plan);
    arrange(log);
    await expect(startProcess(spawner, plan, log)).rejects.toMatchObject(cannotOpen(log, code));
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('when its log may not be written', async () => {
    const plan = await bench.prepared({ entrypoint: ['true'] });
    const log = logOf(plan);
    chmodSync(dirname(log), 0o000);
    await asAnybody(async () => {
      const theirs = createSpawner();
      await expect(startProcess(theirs, plan, log)).rejects.toMatchObject(cannotOpen(log, 'EACCES'));
      await theirs.close();
    });
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('when what runs cannot be written down', async () => {
    const plan = await bench.prepared({ entrypoint: ['true'] });
    const keep = { path: join(plan.home, 'none', 'run', 'record.json'), handle: {}, token: 'secret' };
    await expect(startProcess(spawner, plan, logOf(plan), { keep })).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      reason: `ENOENT: no such file or directory, mkdir '${dirname(keep.path)}'`,
    });
    const left = await until(
      () => processesOf(plan.instanceId),
      (pids) => pids.length === 0,
    );
    expect(left).toEqual([]);
  });

  it('when it has no working directory', async () => {
    const plan = bench.plan({ entrypoint: ['true'] });
    await expect(startProcess(spawner, plan, logOf(plan))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      reason: 'the instance has no working directory',
      cause: { code: 'ENOENT' },
    });
  });
});
