import { firstValueFrom } from 'rxjs';
import { createProcessGroup } from '../../../src/drivers/host/processGroup.js';
import { marbles } from '../../support/marbles.js';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { all, createProcessBench, readyScript } from '../process/processBench.js';

const bench = createProcessBench();

it('of which nobody is left hears no signal, and is whatever is asked of it', async () => {
  const { machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
  await firstValueFrom(machine.kill());
  const group = createProcessGroup(pid);

  expect(() => {
    group.signal('SIGTERM');
  }).not.toThrow();
  for (const done$ of [group.halt(), group.resume(), group.ended()]) {
    await expect(all(done$)).resolves.toEqual([]);
  }
});

it('is halted and goes on as often as that is asked of it', async () => {
  const { pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const group = createProcessGroup(pid);
  for (let times = 0; times < 2; times += 1) {
    await all(group.halt());
    expect(kernelViewOf(pid)?.state).toBe('T');
  }
  for (let times = 0; times < 2; times += 1) {
    await all(group.resume());
    expect(kernelViewOf(pid)?.state).toBe('S');
  }
});

it('has not ended before its last member has', async () => {
  const { plan, pid } = await bench.launched(readyScript('sleep 600 &', 'echo ready', 'wait'));
  const ended = all(createProcessGroup(pid).ended());
  // The leader is killed from here, and its child by the machine.
  process.kill(pid, 'SIGKILL');
  await ended;
  expect(processesOf(plan.instanceId)).toEqual([]);
});

it('fails after 5 s in which it does not become what it is told to', async () => {
  const { pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const group = createProcessGroup(pid);
  // In virtual time no look is ever answered.
  const late = (what: string): Error => new Error(`after 5000 ms not every process had ${what}`);
  marbles(({ expectObservable }) => {
    expectObservable(group.halt()).toBe('5s #', undefined, late('halted'));
    expectObservable(group.resume()).toBe('5s #', undefined, late('gone on'));
    expectObservable(group.ended()).toBe('5s #', undefined, late('ended'));
  });
});

it('does nothing before it is subscribed to', async () => {
  const { machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const group = createProcessGroup(pid);
  void group.halt();
  await expect(firstValueFrom(machine.inspect())).resolves.toMatchObject({ kind: 'running' });
});
