import { createId } from '@paralleldrive/cuid2';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chmod, link, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DataDirLocked, StoreFailed } from '../lifecycle/errors.js';
import { pathsIn } from './dataDirPaths.js';
import { askHolder, encodeHolder } from './lockHolder.js';
import { ownFolder } from './ownFolder.js';

/** A data directory in our hands. */
export interface DataDirLock {
  release(): Promise<void>;
}

/**
 * Takes a data directory for one manager, among all processes and containers of this machine. The kernel takes it back
 * when the process ends, however that happens.
 *
 * The lock is a socket on which its holder listens, in the folder `lock`. That of a dead holder stays and refuses
 * connections; who finds the last one dead makes the next, whose number is one higher, and of all who try only one can.
 * The highest number is never taken away: nobody begins anew meanwhile.
 *
 * @throws {@link DataDirLocked} as a rejection
 */
export async function lockDataDir(dataDir: string, now: () => number): Promise<DataDirLock> {
  const { lock: folder } = pathsIn(dataDir);
  await ownFolder(folder);
  const short = shortened(folder);
  const holder = encodeHolder({ pid: process.pid, host: hostname(), since: now() });
  const server = createServer((socket) => {
    socket.on('error', () => undefined).end(holder, () => socket.destroy());
  });
  const release = async (): Promise<void> => {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
    short.close();
  };

  try {
    const mine = join(short.path, `new-${createId()}`);
    // In a cluster, the primary process would listen, and outlive us.
    server.listen({ path: mine, exclusive: true });
    await once(server, 'listening');
    server.unref();
    await chmod(mine, 0o600);
    await take(dataDir, short.path, mine).finally(() => rm(mine, { force: true }));
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Gives our socket the next number, unless the last one's holder is alive. */
async function take(dataDir: string, folder: string, mine: string): Promise<void> {
  const pathOf = (number: number): string => join(folder, String(number));
  for (;;) {
    const last = Math.max(0, ...(await numbersIn(folder)));
    const answer = last === 0 ? 'dead' : await askHolder(pathOf(last));
    if (answer === 'gone') continue;
    if (answer !== 'dead') throw new DataDirLocked(dataDir, answer);

    const number = last + 1;
    if (!(await isLinked(mine, pathOf(number)))) continue;
    const numbers = await numbersIn(folder);
    // A folder that changes while it is read may seem to lack what was in it all the time.
    const isLast = number === Math.max(...numbers);
    const useless = isLast ? numbers.filter((each) => each !== number) : [number];
    await Promise.all(useless.map((each) => rm(pathOf(each), { force: true })));
    if (isLast) return;
  }
}

async function numbersIn(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);
}

async function isLinked(path: string, name: string): Promise<boolean> {
  try {
    await link(path, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** What a socket's address has room for, on every system, less the longest name in the folder. */
const longestFolder = 70;

/** Another path to a folder, short enough for the address of a socket in it. */
function shortened(folder: string): { readonly path: string; close(): void } {
  if (Buffer.byteLength(folder) <= longestFolder) return { path: folder, close: () => undefined };
  if (process.platform !== 'linux') {
    throw new StoreFailed(`the path ${folder} is longer than ${String(longestFolder)} bytes`);
  }
  const fd = openSync(folder, 'r');
  return {
    path: `/proc/self/fd/${String(fd)}`,
    close: () => {
      closeSync(fd);
    },
  };
}
