import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { Controller } from '../../src/instances/controller.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/manager/instanceManager.js';

/** Opens the manager of a directory, whose log is kept from its beginning. Nothing acts on policies if not asked to. */
export const openCrashManager = (
  dataDir: string,
  controllers: readonly Controller[] = [],
): Promise<InstanceManager> =>
  openManager({
    dataDir,
    controllers,
    drivers: [createProcessDriver({ pollMs: 20 })],
    config: {
      instances: { lifecycleEventBufferSize: 256 },
      storage: { logMaxEvents: 2 ** 24, logMaxAgeMs: 2 ** 40 },
    },
  });
