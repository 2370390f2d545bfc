import { firstValueFrom } from 'rxjs';
import type { Machine } from 'rx-instances';
import { createProcessGroup, type ProcessGroup } from '../../../src/drivers/host/processGroup.js';
import { decodeProcessHandle } from '../../../src/drivers/host/processHandle.js';
import { marbles } from '../../support/marbles.js';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { all, createProcessBench, readyScript } from '../process/processBench.js';

const bench = createProcessBench();

const groupOf = ({ handle }: Machine): ProcessGroup => createProcessGroup(decodeProcessHandle(handle));

it('of which nobody is left hears no signal, and is whatever is asked of it', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  await firstValueFrom(machine.kill());
  const group = groupOf(machine);

  expect(() => {
    group.signal('SIGTERM');
  }).not.toThrow();
  for (const done$ of [group.halt(), group.resume(), group.emptied(), group.end()]) {
    await expect(all(done$)).resolves.toEqual([]);
  }
});

it('is halted and goes on as often as that is asked of it', async () => {
  const { machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const group = groupOf(machine);
  for (let times = 0; times < 2; times += 1) {
    await all(group.halt());
    expect(kernelViewOf(pid)?.state).toBe('T');
  }
  for (let times = 0; times < 2; times += 1) {
    await all(group.resume());
    // It may not have come to sleep again yet.
    expect(kernelViewOf(pid)?.state).toMatch(/^[RS]$/);
  }
});

it('is not empty before its last member has ended', async () => {
  const { plan, machine, pid } = await bench.launched(readyScript('sleep 600 &', 'echo ready', 'wait'));
  const emptied = all(groupOf(machine).emptied());
  // The leader is killed from here, and its child by the machine.
  process.kill(pid, 'SIGKILL');
  await emptied;
  expect(processesOf(plan.instanceId)).toEqual([]);
});

it('is another by now whose leader has its pid, and is left alone', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const former = createProcessGroup({ ...decodeProcessHandle(machine.handle), startTime: 'earlier' });
  await all(former.emptied());
  await all(former.end());
  await expect(firstValueFrom(machine.inspect())).resolves.toMatchObject({ kind: 'running' });
});

it('fails after 5 s in which it does not become what it is told to', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const group = groupOf(machine);
  // In virtual time no look is ever answered.
  const late = (what: string): Error => new Error(`after 5000 ms not every process had ${what}`);
  marbles(({ expectObservable }) => {
    expectObservable(group.halt()).toBe('5s #', undefined, late('halted'));
    expectObservable(group.resume()).toBe('5s #', undefined, late('gone on'));
  });
});

it('does nothing before it is subscribed to', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const group = groupOf(machine);
  void group.halt();
  await expect(firstValueFrom(machine.inspect())).resolves.toMatchObject({ kind: 'running' });
});
