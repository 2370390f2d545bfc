/** A service is asked to end, as Ctrl-C, Docker or systemd do: it stops its instances first, and tells so. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeOnSignals, createProcessDriver, ManagerClosed, openManager } from 'rx-instances';
import { lastValueFrom } from 'rxjs';

/** The service. It ends when it is asked to, and not before. */
async function serve(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  closeOnSignals(manager);

  manager.events('service').subscribe(({ action, instance }) => {
    console.log(`${action}: ${String(instance?.name)} is ${String(instance?.state)}`);
    // Here somebody else asks; `process.send` is there for one that was forked.
    if (action === 'create') process.send?.('it runs');
  });
  await lastValueFrom(manager.create({ name: 'sleeper', image: 'scratch', entrypoint: ['sleep', '600'] }));
}

/** What is under way when the signal comes fails like this, and is no fault. */
function unlessClosed(error: unknown): void {
  if (!(error instanceof ManagerClosed)) throw error;
}

async function main(): Promise<void> {
  const service = fork(__filename, ['serve']);
  await once(service, 'message');
  console.log('The service is asked to end.');
  service.kill('SIGTERM');
  const [code] = (await once(service, 'exit')) as [number | null];
  console.log(`It has ended with code ${String(code)}.`); // 143, for SIGTERM
}

void (process.argv[2] === 'serve' ? serve().catch(unlessClosed) : main());
