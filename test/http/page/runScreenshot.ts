/** Draws `docs/page.png`, the page as the README shows it: `npm run screenshot`. */
import fastify from 'fastify';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi, instancesPage } from 'rx-instances/http';
import { promised } from 'rx-instances/promises';
import { openBrowser } from './browser.js';

const web = (lines: string): readonly string[] => [
  'node',
  '-e',
  `require('http').createServer((_, answer) => answer.end('hello')).listen(process.env.PORT); ${lines}`,
];
const listens = "console.log('listening on ' + process.env.PORT); console.log('12 routes, 3 workers')";

/** Instances in several states, for several reasons. */
async function play(manager: InstanceManager): Promise<void> {
  const instances = promised(manager);
  const image = 'scratch';
  const ports = [{ guest: 80 }];
  const readiness = { kind: 'http', port: 80, path: '/' } as const;
  const deploys = { by: 'deployer', reason: 'release_42' };
  for (const name of ['web', 'api', 'search'])
    await instances.create({ name, image, entrypoint: web(listens), ports, readiness }, deploys);
  for (const name of ['web', 'api', 'search']) await instances.waitForState(name, 'Running');
  await instances.create({ name: 'worker', image, entrypoint: ['sleep', '600'] }, { by: 'scheduler' });
  await instances.standby('search', { by: 'auto_standby', reason: 'idle' });
  await instances.create({ name: 'import', image, entrypoint: ['sh', '-c', 'exit 3'] }, { by: 'scheduler' });
  await instances.waitForState('import', 'Stopped');
  const slow = { ...readiness, timeoutMs: 600_000 };
  const never = ['sh', '-c', 'echo warming up; sleep 600'];
  await instances.create({ name: 'cache', image, entrypoint: never, ports, readiness: slow }, deploys);
  await instances.standby('api', { by: 'auto_standby', reason: 'idle' });
  await instances.restore('api', { by: 'front_door', reason: 'connection' });
  await instances.fork('web', { name: 'web-canary', fromRunning: true }, deploys);
  await instances.update('web', { tags: { release: '42' } }, deploys);
}

async function main(): Promise<void> {
  const drivers = [createProcessDriver()];
  await using manager = await openManager({ drivers });
  const app = fastify({ ...apiServerOptions(), forceCloseConnections: true });
  await app.register(instancesApi, { manager, drivers, drainMs: 500 });
  await app.register(instancesPage);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  await play(manager);
  await using browser = await openBrowser();
  const page = await browser.open(address, 'light');
  await page.getByRole('button', { name: 'web', exact: true }).click();
  await page.getByRole('region', { name: 'History' }).getByRole('row', { name: 'update' }).waitFor();
  await page.getByText('12 routes').waitFor();
  await page.getByRole('region', { name: 'Consumers' }).waitFor();
  await page.screenshot({
    path: 'docs/page.png',
    clip: { x: 0, y: 0, width: 1_000, height: 1_150 },
    fullPage: true,
  });
  await app.close();
}

void main();
