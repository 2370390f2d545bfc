import { existsSync, readlinkSync } from 'node:fs';
import { createBareStarter, openManagedStarter, type Starter } from '../../../bench/harness/starter.js';
import { kernelViewOf } from '../../support/processes.js';

describe('who starts processes for a bench', () => {
  it.each<[string, () => Starter | Promise<Starter>]>([
    ['through a manager', openManagedStarter],
    ['through a bare spawn', createBareStarter],
  ])('ends those that run when it is closed: %s', async (_, open) => {
    const starter = await open();
    const pid = await starter.start();
    expect(kernelViewOf(pid)).toBeDefined();
    await starter.close();
    expect(kernelViewOf(pid)).toBeUndefined();
  });

  it('leaves no folder behind', async () => {
    const starter = await openManagedStarter();
    const work = readlinkSync(`/proc/${String(await starter.start())}/cwd`);
    const [folder = work] = /^.*rx-instances-[^/]+/.exec(work) ?? [];
    await starter.endAll();
    expect(existsSync(folder)).toBe(true);
    await starter.close();
    expect(existsSync(folder)).toBe(false);
  });
});
