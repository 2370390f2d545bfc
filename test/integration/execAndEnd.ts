/** Opens a manager, runs a program that never ends in one of its instances, and is killed, or closes the manager. */
import { createQemuDriver } from '../../src/drivers/qemu/qemuDriver.js';
import { openManager } from '../../src/manager/instanceManager.js';

const { dataDir, name, end } = JSON.parse(process.argv[2] as string) as Readonly<Record<string, string>>;

const run = async (): Promise<void> => {
  const manager = await openManager({ dataDir: dataDir ?? '', drivers: [createQemuDriver()] });
  const begun = manager.exec(name ?? '', { command: 'sh', args: ['-c', 'echo begun; exec sleep 3456'] });
  const reader = begun[Symbol.asyncIterator]();
  await reader.next();
  if (end === 'killed') process.kill(process.pid, 'SIGKILL');
  await manager.close();
  await reader.next().catch(() => undefined);
};

void run();
