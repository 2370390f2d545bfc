import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, mergeMap, EMPTY } from 'rxjs';
import { createProcessDriver, type ExecOutput, type Machine } from 'rx-instances';
import type { Execution } from '../../../src/lifecycle/execution.js';
import { limitPlaces } from '../../../src/drivers/host/limitPlaces.js';
import { processTable } from '../../../src/drivers/host/processTable.js';
import { kernelViewOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { all, createProcessBench, eventually, exitOf, readyScript, script } from './processBench.js';

const bench = createProcessBench();
const nobody = '65534:65533';

/** The groups that limit something, of the spawners of this process. */
const groups = (): readonly string[] =>
  limitPlaces().flatMap(({ dir }) =>
    readdirSync(dir)
      .filter((name) => name.startsWith('rx-instances-limited.') && isOurs(name))
      .map((name) => join(dir, name)),
  );
const isOurs = (name: string): boolean => {
  const spawner = Number(name.split('.')[1]);
  return ours.has(spawner) || parentOf(spawner) === process.pid;
};
const parentOf = (pid: number): number | undefined => {
  try {
    return Number(readFileSync(`/proc/${String(pid)}/stat`, 'utf8').split(' ')[3]);
  } catch {
    return undefined;
  }
};
const ours = new Set<number>();

const ran = async (
  { exec }: Machine,
  command: readonly string[],
  input?: string,
): Promise<readonly [string, unknown]> => {
  const everything = async (execution: Execution): Promise<readonly ExecOutput[]> => {
    const outputs: ExecOutput[] = [];
    if (input !== undefined) {
      await execution.write(Buffer.from(input));
      execution.endInput();
    }
    for (;;) {
      const output = await execution.read();
      if (output === undefined) return outputs;
      outputs.push(output);
    }
  };
  const running$ = exec?.({ command, hasInput: input !== undefined, hasOutput: true }) ?? EMPTY;
  const outputs = await firstValueFrom(running$.pipe(mergeMap(everything)));
  const text = outputs
    .map((output) => ('data' in output ? Buffer.from(output.data).toString() : ''))
    .join('');
  return [text, outputs.at(-1)];
};

const hungry = ['tail', '/dev/zero'];

describe('a process with limits', () => {
  it('leaves no control group behind', async () => {
    const { machine } = await bench.launched({
      entrypoint: ['sleep', '600'],
      memoryMiB: 16,
      pids: 5,
      cpus: 0.5,
    });
    expect(groups().length).toBeGreaterThan(0);
    await all(machine.kill());
    expect(await until(groups, (left) => left.length === 0)).toEqual([]);
  });

  it('leaves none behind where its program can’t be started', async () => {
    const env = { MORE: 'x'.repeat(200_000) };
    const plan = await bench.prepared({ entrypoint: ['true'], env, memoryMiB: 16 });
    await expect(all(bench.driver.launch(plan))).rejects.toThrow('E2BIG');
    expect(await until(groups, (left) => left.length === 0)).toEqual([]);
  });

  it('has what it starts held too, and is not told as killed for want of memory for that alone', async () => {
    const { machine } = await bench.launched({ ...script(`${hungry.join(' ')}; exit 5`), memoryMiB: 16 });
    await expect(exitOf(machine)).resolves.toEqual({ code: 5, signal: null });
  });

  it('that waits for what was killed so, and says so as shells do, is told as killed for want of memory', async () => {
    const { machine } = await bench.launched({ ...script(`${hungry.join(' ')}; exit $?`), memoryMiB: 16 });
    await expect(exitOf(machine)).resolves.toEqual({ code: 137, signal: null, oomKilled: true });
  });

  it('that is killed by who runs it is not told so, whatever became of its children', async () => {
    const { machine } = await bench.launched({
      ...readyScript(hungry.join(' '), 'echo ready', 'sleep 600 & wait'),
      memoryMiB: 16,
    });
    await expect(all(machine.kill())).resolves.toEqual([{ code: null, signal: 'SIGKILL' }]);
  });

  it('holds each program that runs beside it to the same, and tells its end', async () => {
    const { machine } = await bench.launched({
      entrypoint: ['sleep', '600'],
      memoryMiB: 16,
      openFiles: 77,
      user: nobody,
    });
    await expect(ran(machine, ['/bin/sh', '-c', 'ulimit -n; id -u'])).resolves.toEqual([
      '77\n65534\n',
      { kind: 'exit', code: 0, signal: null },
    ]);
    const [, exit] = await ran(machine, hungry);
    expect(exit).toEqual({ kind: 'exit', code: null, signal: 'SIGKILL', oomKilled: true });
    await expect(all(machine.inspect())).resolves.toEqual([{ kind: 'running', ready: true }]);
  });

  it('has the environment that it would have without, but for who it is', async () => {
    const env = { ONLY: 'this' };
    const { plan, machine } = await bench.launched({
      entrypoint: ['env'],
      env,
      openFiles: 64,
      user: 'daemon',
    });
    await exitOf(machine);
    const lines = await bench.log(plan);
    expect(lines.map((line) => line.split('=')[0])).not.toContain('PWD');
    expect(lines).toEqual(
      expect.arrayContaining(['ONLY=this', 'USER=daemon', 'LOGNAME=daemon', 'HOME=/usr/sbin']),
    );
  });

  it.each([
    ['missing', 'no-such-program', 'there is no program "no-such-program" in PATH'],
    ['missing', './no-such-program', 'there is no program "./no-such-program"'],
    ['no program', '/etc/passwd', '"/etc/passwd" may not be executed'],
    ['for others', '/root/rx-own-program', 'may not be executed by that user'],
  ])('fails to start what is %s (%s), as without limits', async (_, program, message) => {
    const plan = await bench.prepared({ entrypoint: [program], openFiles: 64, user: nobody });
    if (program.startsWith('/root/')) writeFileSync(program, '#!/bin/sh\n', { mode: 0o700 });
    try {
      await expect(all(bench.driver.launch(plan))).rejects.toMatchObject({
        _tag: 'LaunchFailed',
        message: expect.stringContaining(message) as string,
      });
    } finally {
      if (program.startsWith('/root/')) await import('node:fs/promises').then(({ rm }) => rm(program));
    }
  });

  it('tells a program that is missing apart, beside it too', async () => {
    const { machine } = await bench.launched({ entrypoint: ['sleep', '600'], openFiles: 64 });
    await expect(ran(machine, ['no-such-program'])).rejects.toMatchObject({ _tag: 'ExecFailed', code: 127 });
    await expect(ran(machine, ['/etc/passwd'])).rejects.toMatchObject({ _tag: 'ExecFailed', code: 126 });
  });
});

describe('a process that outlives who has started it', () => {
  it('is told as killed for want of memory by who comes next', async () => {
    const first = createProcessDriver();
    const plan = {
      ...(await bench.prepared({
        ...script('until [ -e go ]; do sleep 0.01; done', 'exec tail /dev/zero'),
        memoryMiB: 16,
      })),
      outlives: true,
    };
    const machine = await firstValueFrom(first.launch(plan));
    machine.detach?.();
    await all(first.close?.() ?? EMPTY);
    const pid = machine.handle.pid as number;
    writeFileSync(join(plan.home, 'work', 'go'), '');
    await eventually(() => !existsSync(`/proc/${String(pid)}`));
    const found = await firstValueFrom(
      bench.driver.adopt(plan, JSON.parse(JSON.stringify(machine.handle)) as Machine['handle']),
    );
    await expect(all(found.inspect())).resolves.toEqual([
      { kind: 'ended', exit: { code: null, signal: 'SIGKILL', oomKilled: true } },
    ]);
  });

  it('leaves no control group behind where its spawner was killed too', async () => {
    const first = createProcessDriver();
    const plan = {
      ...(await bench.prepared({ entrypoint: ['sleep', '600'], memoryMiB: 16, pids: 4 })),
      outlives: true,
    };
    const machine = await firstValueFrom(first.launch(plan));
    const pid = machine.handle.pid as number;
    const spawner = (await processTable.find(pid))?.parent as number;
    ours.add(spawner);
    expect(groups().length).toBeGreaterThan(0);
    machine.detach?.();
    await all(first.close?.() ?? EMPTY);
    process.kill(spawner, 'SIGKILL');
    await eventually(() => !existsSync(`/proc/${String(spawner)}`));
    await all(bench.driver.reclaim?.(plan.home) ?? EMPTY);
    expect(kernelViewOf(pid)).toBeUndefined();
    expect(await until(groups, (left) => left.length === 0)).toEqual([]);
  });
});

describe('a process of another user', () => {
  it('is given all of its working directory, and nothing that lies elsewhere', async () => {
    const outside = join(bench.folder, 'outside');
    const plan = await bench.prepared({ ...script('cd "$PWD" && echo > deep/er/mine'), user: nobody });
    const work = join(plan.home, 'work');
    mkdirSync(join(work, 'deep', 'er'), { recursive: true });
    writeFileSync(join(work, 'deep', 'file'), '');
    writeFileSync(outside, '');
    symlinkSync(outside, join(work, 'link'));
    symlinkSync(bench.folder, join(work, 'way'));
    linkSync(outside, join(work, 'deep', 'another-name'));
    const machine = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    await expect(exitOf(machine)).resolves.toEqual({ code: 0, signal: null });
    const ownerOf = (path: string): number => statSync(path).uid;
    expect(['', 'deep', 'deep/file', 'deep/er/mine'].map((path) => ownerOf(join(work, path)))).toEqual(
      Array(4).fill(65534),
    );
    expect([outside, bench.folder, plan.home].map(ownerOf)).toEqual([0, 0, 0]);
  });

  it('finds what was begun to be given to it given to the end', async () => {
    const plan = await bench.prepared({ ...script('echo > folder/mine'), user: nobody });
    const work = join(plan.home, 'work');
    mkdirSync(join(work, 'folder'));
    lchownSync(join(work, 'folder'), 1, 1);
    const machine = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    await expect(exitOf(machine)).resolves.toEqual({ code: 0, signal: null });
  });

  it('sees nothing of what else lies in the homes, and reads no record of itself', async () => {
    const { plan, machine } = await bench.launched({
      ...script('ls ../.. ../run ../logs; cat ../run/record.json; exit 0'),
      user: nobody,
    });
    await exitOf(machine);
    const told = (await bench.log(plan)).filter((line) => !line.includes('ermission denied'));
    expect(told.join('\n')).not.toMatch(/record|bench\d/);
  });

  it('is refused where it may not come to its home', async () => {
    const closed = join(bench.folder, 'closed');
    const home = join(closed, 'some', 'homes', 'home');
    mkdirSync(join(closed, 'some', 'homes'), { recursive: true, mode: 0o700 });
    chmodSync(closed, 0o700);
    const plan = { ...bench.plan({ entrypoint: ['true'], user: nobody }), home };
    await all(bench.driver.prepare(plan));
    await expect(all(bench.driver.launch(plan))).rejects.toThrow(`user 65534 may not enter ${closed}`);
  });

  it('owns what is written to its files from outside', async () => {
    const { plan } = await bench.launched({ entrypoint: ['sleep', '600'], user: nobody });
    const files = bench.driver.files?.(plan);
    await all(files?.mkdir('a/b', { recursive: true }) ?? EMPTY);
    await all(
      files?.write('a/b/c', {}).pipe(
        mergeMap(async (writer) => {
          await writer.write(Buffer.from('text'));
          await writer.finish();
        }),
      ) ?? EMPTY,
    );
    const owners = ['a', 'a/b', 'a/b/c'].map((path) => statSync(join(plan.home, 'work', path)));
    expect(owners.map(({ uid, gid }) => [uid, gid])).toEqual(Array(3).fill([65534, 65533]));
  });

  it('may open its streams anew', async () => {
    const { plan, machine } = await bench.launched({
      ...script('echo again > /dev/stdout', 'exec sleep 600'),
      readiness: { kind: 'log', pattern: '^again$' },
      user: nobody,
    });
    await expect(ran(machine, ['cat', '/dev/stdin'], 'read')).resolves.toEqual([
      'read',
      { kind: 'exit', code: 0, signal: null },
    ]);
    await all(machine.kill());
    await expect(bench.log(plan)).resolves.toEqual(['again']);
  });
});
