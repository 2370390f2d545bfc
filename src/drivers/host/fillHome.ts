import { mkdir } from 'node:fs/promises';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { logDirOf } from './logFiles.js';
import { makeOwnFolder } from './makeOwnFolder.js';
import { removeTree } from './removeTree.js';

/** Makes a home that is known as ours, with a folder for logs, readable by nobody else, and fills it from something. When that fails, no file is left. */
export async function fillHome(home: string, from: string, fill: () => Promise<unknown>): Promise<void> {
  await makeHome(home);
  // Both to their end: what one of them still makes would come after the removal.
  const done = await Promise.allSettled([mkdir(logDirOf(home)), fill()]);
  const failed = done.find((each) => each.status === 'rejected');
  if (failed === undefined) return;
  await removeTree(home);
  throw new LaunchFailed(
    { reason: `the ${from} could not be copied: ${messageOf(failed.reason)}` },
    {
      cause: failed.reason,
    },
  );
}

/** One that is there already is somebody's, and stays as it is. */
async function makeHome(home: string): Promise<void> {
  try {
    await makeOwnFolder(home);
  } catch (error) {
    throw new LaunchFailed({ reason: `the home could not be made: ${messageOf(error)}` }, { cause: error });
  }
}
