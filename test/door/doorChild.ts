/** Opens a manager with an instance that answers, puts it on standby if so told, tells the address of its port, and waits to be killed. */
import { firstValueFrom } from 'rxjs';
import { openManager } from '../../src/assembly/openManager.js';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import { server } from './doorStage.js';

async function main(): Promise<void> {
  const [, , dataDir = '', state] = process.argv;
  const manager = await openManager({ dataDir, drivers: [createProcessDriver()] });
  await firstValueFrom(manager.create(server));
  await firstValueFrom(manager.waitForState('web', 'Running'));
  const { port } = await firstValueFrom(manager.endpoint('web', 80));
  if (state === 'Standby') await firstValueFrom(manager.standby('web'));
  process.stdout.write(String(port));
}

void main();
