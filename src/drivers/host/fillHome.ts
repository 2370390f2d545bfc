import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { logDirOf } from './logFiles.js';
import { removeTree } from './removeTree.js';

/** Makes a home with a folder for logs, readable by nobody else, and fills it from something. When that fails, no file is left. */
export async function fillHome(home: string, from: string, fill: () => Promise<unknown>): Promise<void> {
  await makeHome(home);
  try {
    await mkdir(logDirOf(home));
    await fill();
  } catch (error) {
    await removeTree(home);
    throw new LaunchFailed(`the ${from} could not be copied: ${messageOf(error)}`, { cause: error });
  }
}

/** One that is there already is somebody's, and stays as it is. */
async function makeHome(home: string): Promise<void> {
  const make = (): Promise<void> => mkdir(home, { mode: 0o700 });
  try {
    await make().catch(async (error: unknown) => {
      // Only the first home of all has to make the folder of homes.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(dirname(home), { recursive: true, mode: 0o700 });
      await make();
    });
  } catch (error) {
    throw new LaunchFailed(`the home could not be made: ${messageOf(error)}`, { cause: error });
  }
}
