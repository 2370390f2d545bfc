/** A web server that sleeps while nobody asks: a client wakes it by its request, and sees only a slower first answer. */
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { createProcessDriver, openManager } from 'rx-instances';
import { lastValueFrom } from 'rxjs';

const program = `
  let served = 0;
  require('node:http')
    .createServer((_, answer) => answer.end('request ' + (served += 1)))
    .listen(process.env.PORT, '127.0.0.1');
`;

/** Asks as `curl` does: by a connection of its own. */
const page = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: false }, (answer) => {
      resolve(text(answer));
    }).on('error', reject);
  });

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  manager.events('example').subscribe(({ action, cause }) => {
    console.log(`  ${action} by ${cause.by}`);
  });

  await lastValueFrom(
    manager.create({
      name: 'web',
      image: 'scratch',
      entrypoint: [process.execPath, '-e', program],
      // Where it listens itself it is told by PORT. Before that stands the front door, which wakes it also when it was stopped.
      ports: [{ guest: 80, wake: 'stopped' }],
      readiness: { kind: 'http', port: 80, path: '/' },
    }),
  );
  await lastValueFrom(manager.waitForState('web', 'Running'));
  const { port } = await lastValueFrom(manager.endpoint('web', 80));
  console.log(await page(port));

  await lastValueFrom(manager.standby('web'));
  // Its memory is as it was.
  console.log(await page(port));

  await lastValueFrom(manager.stop('web'));
  // The address stays the same; the program begins anew.
  console.log(await page(port));
  await manager.close();
}

void main();
