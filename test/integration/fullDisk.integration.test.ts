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
  disk = await startOnOwnDisk(compiled.pathOf('test/manager/ownDiskChild.ts'), folder, 16);
});
afterAll(async () => {
  await disk.call('free');
  await disk.call('close', true);
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

const counted = async (): Promise<readonly number[]> =>
  (await value<readonly string[]>('lines', 'web'))
    .map((line) => Number(/^count (\d+)\.$/.exec(line)?.[1]))
    .filter((count) => !Number.isNaN(count));

/** Resolves with all that it has counted, once that is more than now. */
async function countsOn(): Promise<readonly number[]> {
  const before = await counted();
  let now = before;
  while (now.length <= before.length + 1) now = await counted();
  return now;
}

const files = (): Promise<readonly string[]> => value('files', 'instances');

it('a standby for which there is no room fails by its name, and the machine runs on as if nothing were', async () => {
  await value('open', 'qemu');
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
