/** Opens a manager and its webhooks, adds one to the URL that it is given unless it is there, and makes events until it is killed. */
import { firstValueFrom } from 'rxjs';
import { openManager } from '../../src/assembly/openManager.js';
import { createMemoryDriver } from '../../src/drivers/memory/memoryDriver.js';
import { openWebhooks } from '../../src/webhooks/openWebhooks.js';

async function main(): Promise<void> {
  const [, , dataDir = '', url = ''] = process.argv;
  const manager = await openManager({ dataDir, drivers: [createMemoryDriver()] });
  const webhooks = await openWebhooks(manager, { allowHttp: true, allowedNetworks: ['127.0.0.0/8'] });
  const known = await firstValueFrom(webhooks.list());
  if (known.length === 0) await firstValueFrom(webhooks.add({ id: 'hook', url }));
  const { id } = await firstValueFrom(manager.create({ name: `n${String(process.pid)}`, image: 'any' }));
  for (let count = 0; ; count += 1) {
    await firstValueFrom(manager.update(id, { tags: { count: String(count) } }));
    process.stdout.write('.');
  }
}

void main();
