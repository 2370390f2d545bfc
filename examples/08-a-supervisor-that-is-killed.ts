/** A supervisor is killed with SIGKILL while its processes run; the next one adopts them, and knows how one has ended. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { promised } from 'rx-instances/promises';

const open = (dataDir: string): Promise<InstanceManager> =>
  openManager({ dataDir, drivers: [createProcessDriver()] });

const request = { image: 'scratch', entrypoint: ['/bin/sh', '-c'] } as const;

/** The first supervisor: starts two processes, and is killed before it can close anything. */
async function superviseAndDie(dataDir: string): Promise<void> {
  const manager = await open(dataDir);
  const instances = promised(manager);
  await Promise.all([
    instances.create({ ...request, name: 'server', cmd: ['sleep 600'] }),
    instances.create({ ...request, name: 'job', cmd: ['sleep 1; exit 3'] }),
  ]);
  console.log('The first supervisor has started a server and a job, and is killed.');
  process.kill(process.pid, 'SIGKILL');
}

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'example-'));
  const first = fork(__filename, [dataDir]);
  const [, signal] = (await once(first, 'exit')) as [unknown, string];
  console.log(`It ended by ${signal}. The next one opens the same directory.`);

  const manager = await open(dataDir);
  const instances = promised(manager);
  manager.events('example').subscribe(({ sequence, action, instance, last }) => {
    console.log(`event ${String(sequence)}: ${action} of ${(instance ?? last)?.name ?? ''}`);
  });
  const { handle } = await instances.get('server');
  console.log(`The server still runs, as process ${String(handle?.pid)}.`);

  await instances.waitForState('job', 'Stopped');
  const { exit } = await instances.get('job');
  console.log(`The job has ended with code ${String(exit?.code)}, though its supervisor was gone.`);

  const all = await instances.list();
  await Promise.all(all.map(({ id }) => instances.delete(id)));
  await manager.close();
  rmSync(dataDir, { recursive: true });
}

const [dataDir] = process.argv.slice(2);
void (dataDir === undefined ? main() : superviseAndDie(dataDir));
