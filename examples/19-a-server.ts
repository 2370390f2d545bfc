/** Serves instances by HTTP, with a page at `/`; here it ends at once, after a look at what it serves. */
import fastify from 'fastify';
import { createProcessDriver, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi, instancesPage } from 'rx-instances/http';

async function main(): Promise<void> {
  const drivers = [createProcessDriver()];
  const manager = await openManager({ drivers });
  const app = fastify(apiServerOptions());
  await app.register(instancesApi, { manager, drivers });
  await app.register(instancesPage);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });

  const page = await fetch(address, { headers: { connection: 'close' } });
  console.log(`The page is ${String(page.headers.get('content-type'))}`);
  await app.close();
  await manager.close();
}

void main();
