import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom, map, toArray } from 'rxjs';
import { processesOf } from '../support/processes.js';

let dataDir: string;
let manager: InstanceManager;

const open = async (): Promise<void> => {
  manager = await openManager({ dataDir, drivers: [createProcessDriver({ pollMs: 5 })] });
};

/** How the run of a script ends, in a state that somebody waits for. */
const exitOf = async (id: string): Promise<unknown> => {
  const { reached, instance } = await firstValueFrom(manager.waitForState(id, 'Stopped'));
  expect(reached).toBe(true);
  expect(processesOf(id)).toEqual([]);
  return instance.exit;
};

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'deadlines-'));
  await open();
});

afterEach(async () => {
  await manager.close({ stopInstances: true });
  rmSync(dataDir, { recursive: true });
});

it('a process that is not ready in time is asked to end, has its grace, and may tell how it ends', async () => {
  const { id } = await firstValueFrom(
    manager.create({
      name: 'slow',
      image: 'scratch',
      entrypoint: ['sh', '-c', 'trap "echo bye; exit 4" TERM; while :; do sleep 0.01; done'],
      readiness: { kind: 'log', pattern: '^ready$', timeoutMs: 300 },
    }),
  );
  expect(await exitOf(id)).toEqual({ code: 4, signal: null, timedOut: 'readiness' });
  const lines$ = manager.logs(id).pipe(
    map(({ text }) => text),
    toArray(),
  );
  expect(await firstValueFrom(lines$)).toContain('bye');
});

it('a process that runs for too long is stopped, by the next manager where there was none then', async () => {
  const { id } = await firstValueFrom(
    manager.create({
      name: 'long',
      image: 'scratch',
      entrypoint: ['sleep', '600'],
      runTimeoutMs: 60_000,
    }),
  );
  await firstValueFrom(manager.update(id, { runTimeoutMs: 1 }));
  await manager.close();
  await open();
  expect(await exitOf(id)).toEqual({ code: null, signal: 'SIGTERM', timedOut: 'run' });
  // What was kept is read again.
  await manager.close();
  await open();
  expect(await exitOf(id)).toMatchObject({ timedOut: 'run' });
});

it('a job that runs for too long is an outcome, with what it has written', async () => {
  const outcome = await firstValueFrom(
    manager.run({
      image: 'scratch',
      entrypoint: ['sh', '-c', 'echo begun; sleep 600'],
      runTimeoutMs: 1_500,
    }),
  );
  expect(outcome).toMatchObject({ exit: { timedOut: 'run', signal: 'SIGTERM' }, stdout: 'begun\n' });
});
