import { firstValueFrom } from 'rxjs';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';

/** Takes a snapshot and restores another, again and again, until it is killed. */
async function goOn(manager: InstanceManager, snapshotId: string): Promise<never> {
  for (;;) {
    const { id } = await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' }));
    await firstValueFrom(manager.restoreSnapshot('web', snapshotId));
    await firstValueFrom(manager.deleteSnapshot(id));
  }
}

/** Takes one snapshot and says how that failed. */
async function takeOne(manager: InstanceManager): Promise<void> {
  const failure = await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' })).then(
    () => 'none',
    ({ _tag, message }: { readonly _tag: string; readonly message: string }) => `${_tag}: ${message}`,
  );
  await manager.close();
  process.send?.(failure, () => {
    process.disconnect();
  });
}

async function main(dataDir: string): Promise<void> {
  // A process that writes more than it may is sent a signal, and ends unless it listens.
  process.on('SIGXFSZ', () => undefined);
  const manager = await openManager({ dataDir, drivers: [createProcessDriver()] });
  process.on('message', (snapshotId: string | null) => {
    void (snapshotId === null ? takeOne(manager) : goOn(manager, snapshotId));
  });
  process.send?.('open');
}

void main(process.argv[2] as string);
