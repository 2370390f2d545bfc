import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Instance, Snapshot } from 'rx-instances';
import { type Compiled, compile } from '../support/compiled.js';
import { type Call, type OwnDisk, startOnOwnDisk } from './ownDisk.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

let compiled: Compiled;
let folder: string;
let disk: OwnDisk;

beforeAll(() => {
  compiled = compile('test/manager', 'test/support');
});
afterAll(() => {
  compiled.remove();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'disk-'));
  disk = await startOnOwnDisk(compiled.pathOf('test/manager/ownDiskChild.ts'), folder, 8);
});
afterEach(async () => {
  await disk.call('free');
  await disk.call('close', true);
  await disk.end();
  rmSync(folder, { recursive: true });
});

/** What a call gives, which has to succeed. */
async function value<T>(...call: Call): Promise<T> {
  const answer = await disk.call<T>(...call);
  expect(answer).not.toHaveProperty('failure');
  return answer.value as T;
}

/** Matches what a call for which there is no room fails with. */
const noRoom = (tag: string) => ({
  failure: expect.objectContaining({
    _tag: tag,
    message: expect.stringMatching(/ENOSPC: no space left on device/) as string,
  }) as unknown,
});

const notKept = noRoom('StoreFailed');

const request = (name: string, env = {}) => ({
  ...{ name, env, image: join(folder, 'image') },
  entrypoint: ['sleep', '600'],
});

/** More than a store has laid by. */
const large = Object.fromEntries(Array.from('ABCDEFGH', (name) => [name, 'x'.repeat(50_000)]));

const files = async (): Promise<unknown> => [
  await value('files', 'instances'),
  await value('files', 'snapshots'),
];

it('what copies or writes files fails by its name and leaves nothing half-made; with room it works', async () => {
  await value('open');
  await value('create', request('web'));
  await value('stop', 'web');
  const { id } = await value<Snapshot>('createSnapshot', 'web', { kind: 'Stopped' });
  const calls: readonly (readonly [tag: string, ...call: Call])[] = [
    ['LaunchFailed', 'create', request('new')],
    ['DriverFailed', 'fork', 'web', { name: 'fork' }],
    ['DriverFailed', 'createSnapshot', 'web', { kind: 'Stopped' }],
    ['DriverFailed', 'forkSnapshot', id, { name: 'fork-of-snapshot' }],
    ['DriverFailed', 'restoreSnapshot', 'web', id],
    ['LaunchFailed', 'start', 'web'],
  ];

  await value('fill');
  const [before, instances] = [await files(), await value<readonly Instance[]>('list')];
  for (const [tag, ...call] of calls)
    expect([call[0], await disk.call(...call)]).toEqual([call[0], noRoom(tag)]);
  expect(await files()).toEqual(before);
  const left = await value<readonly Instance[]>('list');
  expect(left).toEqual(instances);
  expect(await value('processes', left[0]?.id)).toEqual([]);

  await value('free');
  for (const [, ...call] of calls) await value(...call);
  expect(await value('list')).toHaveLength(4);
  expect(await value('listSnapshots')).toHaveLength(2);
});

it('a change that cannot be kept is not made; with room it is', async () => {
  await value('open');
  const { id } = await value<Instance>('create', request('web', large));
  await value('fill');
  const calls: readonly Call[] = [
    ['update', 'web', { tags: { a: 'b' } }],
    ['standby', 'web'],
  ];
  for (const call of calls) {
    expect(await disk.call(...call)).toEqual(notKept);
    expect(await value('refresh', 'web')).toMatchObject({ state: 'Running', revision: 1 });
  }
  // What has ended cannot be brought back.
  expect(await disk.call('stop', 'web')).toEqual(notKept);
  expect(await value('processes', id)).toEqual([]);
  expect(await value('get', 'web')).toMatchObject({ state: 'Running', revision: 1 });
  expect(await disk.call('refresh', 'web')).toEqual(notKept);

  await value('free');
  expect(await value('refresh', 'web')).toMatchObject({
    state: 'Stopped',
    exit: { code: null, signal: 'SIGTERM' },
  });
  await value('update', 'web', { tags: { a: 'b' } });
  await value('start', 'web');
  expect(await value('get', 'web')).toMatchObject({
    state: 'Running',
    revision: 4,
    spec: { tags: { a: 'b' } },
  });
});

/** Updates an instance of this revision until that cannot be kept; gives the revision that was kept last. */
async function updatedUntilFull(revision: number): Promise<number> {
  const answer = await disk.call<Instance>('update', 'web', { tags: { count: String(revision) } });
  if (answer.value === undefined) {
    expect(answer).toEqual(notKept);
    return revision;
  }
  expect(answer.value.revision).toBe(revision + 1);
  return updatedUntilFull(revision + 1);
}

interface Consumed {
  readonly given: readonly number[];
  readonly failure?: unknown;
}

const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

it('whichever write has no room, what was told is kept, and a manager opens where there is none', async () => {
  await value('open');
  const created = await value<Instance>('create', request('web'));
  await value('consume');
  let revision = 1;
  for (let pages = 0; pages < 12; pages += 1) {
    await value('fill', pages);
    revision = await updatedUntilFull(revision);
  }
  expect(revision).toBeGreaterThan(12);
  const { given, failure } = await value<Consumed>('consumed');
  expect(given).toEqual(numbers(2, 1 + given.length));
  expect(failure ?? notKept.failure).toEqual(notKept.failure);

  await value('fill');
  await value('close', false);
  await value('open');
  const web = await value<Instance>('get', 'web');
  expect(web).toMatchObject({ state: 'Running', revision, handle: created.handle });
  const log = await value<readonly (readonly [number, string, number])[]>('log');
  expect(log).toEqual([[1, 'create', 1], ...numbers(2, revision).map((each) => [each, 'update', each])]);

  await value('free');
  await value('consume');
  await value('update', 'web', { tags: {} });
  const again = await value<Consumed>('consumed');
  expect(again).toEqual({ given: numbers(revision + 2 - again.given.length, revision + 1) });
  expect(again.given[0]).toBeLessThanOrEqual(2 + given.length);
});

it('a data directory cannot be made where there is no room, and where there is it can', async () => {
  await value('fill');
  expect(await disk.call('open')).toEqual(notKept);
  await value('free');
  await value('open');
  await value('create', request('web'));
});

it('what ends while there is no room is told once there is some', async () => {
  await value('open');
  await value('create', request('web'));
  await value('fill');
  await updatedUntilFull(1);
  const [web] = await value<readonly Instance[]>('list');
  process.kill(web?.handle?.pid ?? NaN, 'SIGKILL');
  expect(await value('processes', web?.id)).toEqual([]);
  expect(await value('list')).toEqual([web]);
  await value('free');
  expect(await value('waitForState', 'web', 'Stopped', { pollMs: 60_000 })).toMatchObject({
    instance: { state: 'Stopped', exit: { code: null, signal: 'SIGKILL' } },
  });
});

it('what a process writes while there is no room waits, and is all there once there is some', async () => {
  await value('open');
  const program =
    'exec 2> /dev/null; trap "go=1" USR1; echo set; until [ $go ]; do sleep 0.01; done; seq 1 20000';
  const readiness = { kind: 'log', pattern: 'set' };
  const { id } = await value<Instance>('create', {
    ...{ ...request('web'), readiness, entrypoint: ['sh', '-c', program] },
  });
  await value('waitForState', 'web', 'Running');
  await value('fill', 4);
  await value('signal', 'web', 'SIGUSR1');
  await value('hasGrown', `instances/${id}/logs/app.cri.log`, 3 * 4_096);
  expect((await value<readonly string[]>('lines', 'web')).length).toBeLessThan(10_000);
  await value('free');
  expect(await value('waitForState', 'web', 'Stopped')).toMatchObject({
    instance: { exit: { code: 0, signal: null } },
  });
  const numbers = Array.from({ length: 20_000 }, (_, index) => String(index + 1));
  expect(await value('lines', 'web')).toEqual(['set', ...numbers]);
});
