import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/assembly/openManager.js';

/** Opens the manager of a directory, whose log is kept from its beginning. Nothing acts on policies, and no door is open, if not asked to. */
export const openCrashManager = (dataDir: string, isActing = false): Promise<InstanceManager> =>
  openManager({
    dataDir,
    ...(!isActing && { controllers: [], frontDoor: false }),
    drivers: [createProcessDriver({ pollMs: 20 })],
    config: {
      instances: { lifecycleEventBufferSize: 256 },
      storage: { logMaxEvents: 2 ** 24, logMaxAgeMs: 2 ** 40 },
    },
  });
