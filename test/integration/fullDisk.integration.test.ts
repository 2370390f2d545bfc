import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Instance } from 'rx-instances';
import { makeTinyImage } from '../drivers/qemu/tinyKernel.js';
import { type Answer, type Call, type OwnDisk, startOnOwnDisk } from '../manager/ownDisk.js';
import { type Compiled, compile } from '../support/compiled.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

let compiled: Compiled;
let folder: string;
let images: string;
let disk: OwnDisk;

beforeAll(async () => {
  compiled = compile('test/manager', 'test/support');
  folder = mkdtempSync(join(tmpdir(), 'd-'));
  images = mkdtempSync(join(tmpdir(), 'images-'));
  disk = await startOnOwnDisk(compiled.pathOf('test/manager/ownDiskChild.ts'), folder, 48);
});
afterAll(async () => {
  await disk.end();
  for (const made of [folder, images]) rmSync(made, { recursive: true });
  compiled.remove();
});

/** What a call gives, which has to succeed. */
async function value<T>(...call: Call): Promise<T> {
  const answer: Answer<T> = await disk.call<T>(...call);
  expect(answer).not.toHaveProperty('failure');
  return answer.value as T;
}

const counted = async (name: string): Promise<readonly number[]> =>
  (await value<readonly string[]>('lines', name))
    .map((line) => Number(/^count (\d+)\.$/.exec(line)?.[1]))
    .filter((count) => !Number.isNaN(count));

/** Resolves with all that it has counted, once that is more than now. */
async function countsOn(name = 'web'): Promise<readonly number[]> {
  const before = await counted(name);
  let now = before;
  while (now.length <= before.length + 1) now = await counted(name);
  return now;
}

const files = (): Promise<readonly string[]> => value('files', 'instances');

beforeEach(() => value('open', 'qemu'));
afterEach(async () => {
  await disk.call('free');
  await disk.call('close', true);
});

it('a standby for which there is no room fails by its name, and the machine runs on as if nothing were', async () => {
  const image = makeTinyImage(join(images, 'counting'), 'counting');
  const { id } = await value<Instance>('create', { name: 'web', driver: 'qemu', image });
  await countsOn();
  await value('standby', 'web');
  const stateBytes = await value<number>('bytes', `instances/${id}/vm/state`);
  await value('restore', 'web');
  await countsOn();
  const before = [await files(), await value<Instance>('get', 'web')];

  // Room for what it says meanwhile, but not for its state; or for all but the end of that, which QEMU has got rid of then.
  for (const room of [30, Math.floor(stateBytes / 4_096) - 2]) {
    await value('fill', room);
    expect(await disk.call('standby', 'web')).toMatchObject({
      failure: { _tag: 'DriverFailed', verb: 'standby', instanceId: id },
    });
    expect([await files(), await value('refresh', 'web')]).toEqual(before);
    await countsOn();
    await value('free');
  }
  expect(await value('standby', 'web')).toMatchObject({ state: 'Standby' });
  await value('restore', 'web');
  const all = await countsOn();
  expect(all).toEqual(all.map((_, index) => index + 1));
});

it('a guest that is halted by a full disk goes on where it was once there is room, and can be stopped, also by another manager', async () => {
  const image = makeTinyImage(join(images, 'writing'), 'writing');
  await value<Instance>('create', { name: 'disk', driver: 'qemu', image, stopGraceMs: 50 });
  const halted = async (): Promise<Instance> => {
    for (;;) {
      const seen = await value<Instance>('refresh', 'disk');
      if (seen.state !== 'Running') return seen;
    }
  };
  // Less than a place of its disk takes, and enough for the manager.
  const fewPages = 8;

  await countsOn('disk');
  await value('fill', fewPages);
  expect(await halted()).toMatchObject({
    state: 'Unknown',
    stateError: expect.stringContaining('io-error') as string,
  });
  await value('free');
  expect(await value('restore', 'disk')).toMatchObject({ state: 'Running' });
  const all = await countsOn('disk');
  expect(all).toEqual(all.map((_, index) => index + 1));
  expect(await value('standby', 'disk')).toMatchObject({ state: 'Standby' });
  await value('restore', 'disk');

  await value('fill', fewPages);
  await halted();
  await value('close', false);
  await value('open', 'qemu');
  expect(await value('refresh', 'disk')).toMatchObject({ state: 'Unknown' });
  await value('free');
  await value('restore', 'disk');
  const more = await countsOn('disk');
  expect(more).toEqual(more.map((_, index) => index + 1));

  await value('fill', fewPages);
  await halted();
  expect(await value('stop', 'disk')).toMatchObject({ state: 'Stopped' });
});
