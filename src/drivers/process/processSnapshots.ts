import { dirname, join } from 'node:path';
import { defer } from 'rxjs';
import type { SnapshotContent, Snapshotting } from '../driver.js';
import type { CopyLimits } from '../host/copyTally.js';
import { copyTree } from '../host/copyTree.js';
import { completeAfter } from '../host/completeAfter.js';
import { fillHome } from '../host/fillHome.js';
import { makeOwnFolder } from '../host/makeOwnFolder.js';
import { onDisk } from '../host/onDisk.js';
import { removeTree } from '../host/removeTree.js';
import { createReplaceable } from '../host/replaceable.js';
import { createSealedFolder } from '../host/sealedFolder.js';
import { workDirOf } from './workDir.js';

/**
 * Snapshots of processes: the folder holds a copy of the working directory, and its manifest. The memory of a process
 * cannot be kept, and logs stay with their instance. A working directory beyond the limits is not taken.
 */
export function createProcessSnapshots(limits: CopyLimits): Snapshotting {
  return {
    kinds: ['Stopped'],
    take: ({ home, folder }) => completeAfter(() => take(home, folder, limits)),
    seal: (folder) => defer(() => seal(folder)),
    check: (folder, { hash }) => defer(() => createSealedFolder(folder).check(hash)),
    layOut: ({ home, folder }) => completeAfter(() => layOut(home, folder)),
    replace: ({ home, folder }) =>
      defer(() =>
        createReplaceable(workDirOf(home)).replace((next) =>
          createSealedFolder(folder).copyOut('work', next),
        ),
      ),
    mend: (home) => completeAfter(() => createReplaceable(workDirOf(home)).mend()),
    discard: (folder) => completeAfter(() => removeTree(folder)),
  };
}

async function take(home: string, folder: string, limits: CopyLimits): Promise<void> {
  await makeOwnFolder(folder);
  try {
    await copyTree(workDirOf(home), join(folder, 'work'), { limits, isLive: true });
  } catch (error) {
    await removeTree(folder);
    throw error;
  }
}

async function layOut(home: string, folder: string): Promise<void> {
  await fillHome(home, 'snapshot', () => createSealedFolder(folder).copyOut('work', workDirOf(home)));
  for (const path of [home, dirname(home)]) await onDisk(path);
}

const seal = async (folder: string): Promise<SnapshotContent> => ({
  ...(await createSealedFolder(folder).seal()),
  data: null,
});
