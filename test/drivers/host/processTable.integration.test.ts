import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY, firstValueFrom } from 'rxjs';
import { processTable } from '../../../src/drivers/host/processTable.js';
import { elf, firstThreadEnds } from '../../support/elf.js';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { all, createProcessBench, eventually, readyScript } from '../process/processBench.js';

const bench = createProcessBench();

const sleeping = { entrypoint: ['sleep', '600'] };

it('finds a process by its pid: its group, its state, and when it started', async () => {
  const { pid } = await bench.launched(sleeping);
  const found = await until(
    () => kernelViewOf(pid),
    (view) => view?.state === 'S',
  );
  await expect(processTable.find(pid)).resolves.toEqual({
    pid,
    group: found?.group,
    session: found?.group,
    parent: expect.any(Number) as number,
    hasTerminal: false,
    state: 'S',
    startTime: expect.stringMatching(/./) as string,
  });
  await expect(processTable.find(process.pid)).resolves.toMatchObject({ pid: process.pid });
});

it('finds nothing where there is no process', async () => {
  await expect(processTable.find(2 ** 30)).resolves.toBeUndefined();
  await expect(processTable.group(2 ** 30)).resolves.toEqual([]);
});

it('tells of a process whose first thread has ended what is so of the others', async () => {
  const plan = await bench.prepared({ entrypoint: ['./program'] });
  writeFileSync(join(plan.home, 'work', 'program'), elf({ code: firstThreadEnds }), { mode: 0o755 });
  const machine = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
  const pid = machine.handle.pid as number;
  // As the kernel tells it.
  await eventually(() => kernelViewOf(pid) === undefined);
  await expect(processTable.find(pid)).resolves.toMatchObject({
    ...{ pid, group: pid },
    state: expect.stringMatching(/^[RS]$/) as string,
  });
  await expect(processTable.group(pid)).resolves.toMatchObject([{ pid }]);
  await expect(processTable.commandLine(pid)).resolves.toContain('./program');
  await expect(processTable.environment(pid)).resolves.toContain(`INSTANCE_ID=${plan.instanceId}`);
  await expect(processTable.places(pid)).resolves.toContain(join(plan.home, 'work'));

  await all(machine.freezing?.freeze() ?? EMPTY);
  await expect(firstValueFrom(machine.inspect())).resolves.toEqual({ kind: 'frozen' });
  await all(machine.freezing?.thaw() ?? EMPTY);
  await expect(firstValueFrom(machine.inspect())).resolves.toMatchObject({ kind: 'running' });
  machine.detach?.();
  const adopted = bench.hold(await firstValueFrom(bench.driver.adopt(plan, machine.handle)));
  await expect(firstValueFrom(adopted.inspect())).resolves.toMatchObject({ kind: 'running' });
  await expect(firstValueFrom(adopted.stop({ graceMs: 10_000 }))).resolves.toEqual({
    code: null,
    signal: null,
  });
  await expect(processTable.find(pid)).resolves.toBeUndefined();
});

it('tells one process by its start time for as long as it runs, and from another', async () => {
  const { pid } = await bench.launched(sleeping);
  const startTime = async (of: number): Promise<string | undefined> =>
    (await processTable.find(of))?.startTime;
  const first = await startTime(pid);
  process.kill(pid, 'SIGSTOP');
  await until(
    () => kernelViewOf(pid)?.state,
    (state) => state === 'T',
  );
  await expect(startTime(pid)).resolves.toBe(first);
  await expect(startTime(process.pid)).resolves.not.toBe(first);
});

it.each(['a b', 'a) S 1 1 (b', ') T', '))((', '\n'])(
  'is not misled by a program that is called %j',
  async (name) => {
    const plan = await bench.prepared({ entrypoint: [`./${name}`, '600'] });
    copyFileSync('/bin/sleep', join(plan.home, 'work', name));
    const machine = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    const pid = machine.handle.pid as number;
    await expect(processTable.find(pid)).resolves.toMatchObject({ pid, group: pid });
    await expect(processTable.group(pid)).resolves.toMatchObject([{ pid }]);
  },
);

it('tells the whole group, and of it only those that have not ended', async () => {
  // A parent that does not ask after its child leaves it there as ended.
  const ended = `${process.execPath} -e "require('child_process').spawn('true'); console.log('ready'); for (;;);"`;
  const { plan, pid } = await bench.launched(readyScript('sleep 600 &', `exec ${ended}`));
  const left = (): readonly number[] => processesOf(plan.instanceId);
  const sleeper = (await until(left, ({ length }) => length === 2)).find((member) => member !== pid);
  const group = await processTable.group(pid);

  expect(group.map((entry) => entry.pid).sort()).toEqual([pid, sleeper].sort());
  expect(group.every((entry) => entry.group === pid)).toBe(true);
});

it('tells the environment of a process, and none of what is not there', async () => {
  const { plan, pid } = await bench.launched(sleeping);
  await expect(processTable.environment(pid)).resolves.toContain(`INSTANCE_ID=${plan.instanceId}`);
  await expect(processTable.environment(2 ** 30)).resolves.toEqual([]);
});

it('answers all who ask at once, each about its own', async () => {
  const machines = await Promise.all([1, 2, 3].map(() => bench.launched(sleeping)));
  const groups = await Promise.all(machines.map(({ pid }) => processTable.group(pid)));
  expect(groups.map((group) => group.map(({ pid }) => pid))).toEqual(machines.map(({ pid }) => [pid]));
});

it('names the time since the machine was started, always by the same name', async () => {
  const bootId = await processTable.bootId();
  expect(bootId).toMatch(/\S/);
  expect(bootId).toBe(bootId.trim());
  await expect(processTable.bootId()).resolves.toBe(bootId);
});
