import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from 'rx-instances';
import { filter, lastValueFrom, map, skip, takeUntil } from 'rxjs';
import { openVirtualMachines, request, value, type VirtualMachines } from './virtualMachines.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

const reseeded = 'random: crng reseeded due to virtual machine fork';

let vms: VirtualMachines;
let source: Instance;

beforeAll(async () => {
  vms = await openVirtualMachines();
  // Its kernel says what is worth a notice.
  source = await value(vms.manager.create({ ...request, kernelArguments: ['loglevel=6'] }));
  await lastValueFrom(vms.manager.waitForState('template', 'Running', { timeoutMs: 100_000 }));
}, 120_000);

afterAll(() => vms.clear());

/** Resolves once the kernel of a guest has said that it seeds its random numbers anew; not later than it has counted fifty. */
function reseeds(name: string): Promise<string> {
  const lines = (tail: number) =>
    vms.manager.logs(name, { tail, follow: true }).pipe(map(({ text }) => text));
  const enough$ = lines(0).pipe(
    filter((line) => line.startsWith('count')),
    skip(49),
  );
  return value(
    lines(10_000).pipe(
      filter((line) => line.includes(reseeded)),
      takeUntil(enough$),
    ),
  );
}

/** How often a kernel has said so. */
const timesOf = (instance: Pick<Instance, 'id'>): number =>
  readFileSync(join(vms.homeOf(instance), 'logs/app.log'), 'utf8').split(reseeded).length - 1;

it('a machine that boots, and one that stands still while it is copied, has nothing to be told', async () => {
  await value(vms.manager.fork('template', { name: 'copy', fromRunning: true, targetState: 'Standby' }));
  await vms.counts('template', 2);
  expect(timesOf(source)).toBe(0);
});

it('the kernel of a copy seeds its random numbers anew, and of each copy of it', async () => {
  await value(vms.manager.fork('copy', { name: 'second', targetState: 'Running' }));
  await reseeds('second');
  const copy = await value(vms.manager.restore('copy'));
  await reseeds('copy');
  await vms.counts('copy', 2);
  expect(timesOf(copy)).toBe(1);
});

it('so does that of a machine that is restored, since another may have gone on from there too', async () => {
  await value(vms.manager.standby('template'));
  await value(vms.manager.restore('template'));
  await reseeds('template');
  await vms.counts('template', 2);
  expect(timesOf(source)).toBe(1);
});
