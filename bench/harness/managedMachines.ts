import assert from 'node:assert/strict';
import { join } from 'node:path';
import { filter, firstValueFrom, lastValueFrom, map } from 'rxjs';
import { machineRequest, type MachineTemplate, openMachines } from './machineTemplate.js';
import type { VirtualMachines } from './virtualMachines.js';

/** Virtual machines through the verbs of a manager that keeps what it does on disk. */
export async function openManagedMachines({
  dataDir,
  snapshotId,
}: MachineTemplate): Promise<VirtualMachines> {
  const manager = await openMachines(dataDir);
  /** By name: where the home lies, and which process it is. */
  const known = new Map<string, { readonly home: string; readonly pid: number }>();

  const note = async (name: string): Promise<void> => {
    const { id, state, handle } = await firstValueFrom(manager.get(name));
    if (state !== 'Standby') assert.equal(state, 'Running', `${name} runs`);
    known.set(name, { home: join(dataDir, 'instances', id), pid: handle?.pid ?? NaN });
  };
  const noted = (name: string): { readonly home: string; readonly pid: number } => {
    const machine = known.get(name);
    assert.ok(machine, `there is ${name}`);
    return machine;
  };
  const forkSnapshot = async (name: string): Promise<void> => {
    await firstValueFrom(manager.forkSnapshot(snapshotId, { name, targetState: 'Running' }));
    await note(name);
  };
  const standby = async (name: string): Promise<void> => {
    await firstValueFrom(manager.standby(name));
  };
  const restore = async (name: string): Promise<void> => {
    await firstValueFrom(manager.restore(name));
    await note(name);
  };
  const remove = async (name: string): Promise<void> => {
    await firstValueFrom(manager.delete(name));
    known.delete(name);
  };

  return {
    boot: async (name) => {
      await firstValueFrom(manager.create({ name, ...machineRequest }));
      await lastValueFrom(manager.waitForState(name, 'Running'));
      await note(name);
    },
    standby,
    restore,
    forkSnapshot,
    forkWithOwnMemory: async (name) => {
      await forkSnapshot(name);
      await standby(name);
      await restore(name);
    },
    forkRunning: async (source, name) => {
      const at = (state: string): Promise<number> =>
        firstValueFrom(
          manager.events('bench').pipe(
            filter(({ instance }) => instance?.name === source && instance.state === state),
            map(() => performance.now()),
          ),
        );
      const [stood, wentOn] = [at('Standby'), at('Running')];
      await firstValueFrom(manager.fork(source, { name, fromRunning: true }));
      await note(name);
      return (await wentOn) - (await stood);
    },
    delete: remove,
    homeOf: (name) => noted(name).home,
    pidOf: (name) => noted(name).pid,
    close: async () => {
      for (const name of [...known.keys()]) await remove(name);
      await manager.close();
    },
  };
}
