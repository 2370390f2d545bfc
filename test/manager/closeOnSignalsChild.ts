/** Runs a process until it is asked to end by a signal. The first argument is the shell's program of the instance. */
import { closeOnSignals } from '../../src/manager/closeOnSignals.js';
import { openManager } from '../../src/manager/instanceManager.js';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';

async function main(program: string): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  closeOnSignals(manager);
  closeOnSignals(manager);
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.prependListener(name, () => process.send?.(`heard ${name}`));
  manager.events('test').subscribe(({ action, instance }) => {
    process.send?.(action === 'ready' ? `runs ${String(instance.handle?.pid)}` : action);
  });
  manager
    .create({
      ...{ name: 'web', image: 'scratch', entrypoint: ['/bin/sh', '-c', program], stopGraceMs: 600_000 },
      readiness: { kind: 'log', pattern: 'begun' },
    })
    .subscribe();
}

void main(process.argv[2] as string);
