import { fchown, fstatSync, fchmodSync, promises as fs, statSync, chmodSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { promisify } from 'node:util';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { LaunchPlan } from '../driver.js';
import { holdWithin } from '../host/heldFolder.js';
import { type Identity, mayDo } from '../host/identity.js';
import { walkTree } from '../host/walkTree.js';
import { limitsOf } from './processLimits.js';
import { placeOutside, workDirOf } from './workDir.js';

const fchownFd = promisify(fchown);

/** How many folders above a home are made for homes, and not by whoever uses this host. */
const ownAbove = 2;

/**
 * Gives the working directory of an instance, with all that is in it, to the user as whom it runs, and lets that one come there by its path. A
 * directory of this host in which it works stays as it is. Nothing runs in the home by then.
 *
 * @throws {@link LaunchFailed} as a rejection, for a folder above the homes that the user may not enter
 */
export async function letUserIn({ home, spec }: LaunchPlan): Promise<void> {
  const { identity } = limitsOf(spec);
  if (identity === undefined || placeOutside(spec) !== undefined) return;
  await handOver(workDirOf(home), identity);
  let path = home;
  for (let above = 0; isAbsolute(path) && path !== dirname(path); above += 1) {
    openUp(path, above <= ownAbove, identity);
    path = dirname(path);
  }
}

/** Lets whoever knows its path through a folder, without letting him see what else is in it. */
function openUp(path: string, isOurs: boolean, identity: Identity): void {
  const found = statSync(path);
  if (mayDo(identity, found, 1)) return;
  if (!isOurs || found.uid !== process.geteuid?.()) {
    const user = String(identity.uid);
    throw new LaunchFailed({
      reason: `user ${user} may not enter ${path}, in which the homes of instances lie`,
    });
  }
  chmodSync(path, (found.mode & 0o7777) | 0o011);
}

/** The directory itself comes last: what was cut off before is done anew. */
async function handOver(work: string, { uid, gid }: Identity): Promise<void> {
  const top = await holdWithin(work, process.platform);
  try {
    const found = fstatSync(top.fd);
    if (found.uid === uid && found.gid === gid) return;
    await walkTree(work, {
      enter: (_, folder) => fchownFd(folder.fd, uid, gid),
      other: async ({ kind }, reached) => {
        // Another name of it may lie where it is not the instance's.
        if (kind === 'file' && (await fs.lstat(reached)).nlink > 1) return;
        await fs.lchown(reached, uid, gid);
      },
    });
    await fchownFd(top.fd, uid, gid);
    fchmodSync(top.fd, found.mode & 0o770);
  } finally {
    top.close();
  }
}
