import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { createProcessDriver, openManager } from 'rx-instances';
import { processTable } from '../../../src/drivers/host/processTable.js';

const filesOf = (pid: number): readonly (readonly [string, string])[] =>
  readdirSync(`/proc/${String(pid)}/fd`).flatMap((fd) => {
    try {
      return [[fd, readlinkSync(`/proc/${String(pid)}/fd/${fd}`)] as const];
    } catch {
      // That of the listing is closed by now.
      return [];
    }
  });

const parentOf = async (pid: number): Promise<number> => (await processTable.find(pid))?.parent as number;

it('a process gets its output open, an empty input, and nothing else; nor has its starter the store open', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'open-'));
  const manager = await openManager({ dataDir: join(folder, 'data'), drivers: [createProcessDriver()] });
  const { id, handle } = await firstValueFrom(
    manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );
  const pid = handle?.pid as number;
  const [stdout, stderr] = ['stdout', 'stderr'].map((name) =>
    join(folder, 'data', 'instances', id, 'run', name),
  );
  expect(filesOf(pid)).toEqual([
    ['0', '/dev/null'],
    ['1', stdout],
    ['2', stderr],
  ]);
  const files = filesOf(await parentOf(pid))
    .map(([, target]) => target)
    .filter((target) => target.startsWith(folder));
  // By which nothing is lost when who reads it is killed.
  expect(files.toSorted()).toEqual([stderr, stdout]);
  // Here they are inherited, so that this can fail.
  expect(filesOf(process.pid).some(([, target]) => target.startsWith(folder))).toBe(true);
  await manager.close({ stopInstances: true });
  rmSync(folder, { recursive: true });
});
