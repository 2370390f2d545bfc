import { createId } from '@paralleldrive/cuid2';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { chmod, link, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { firstValueFrom, timer } from 'rxjs';
import { id } from '../codecs/id.js';
import { DataDirLocked, StoreFailed } from '../lifecycle/errors.js';
import { pathsIn } from './dataDirPaths.js';
import { askHolder, encodeHolder } from './lockHolder.js';
import { ownFolder } from './ownFolder.js';
import { statOf } from './statOf.js';

/** A data directory in our hands. */
export interface DataDirLock {
  release(): Promise<void>;
}

const isNumber = (name: string): boolean => /^[1-9]\d*$/.test(name);

/** Whether a name in the folder of locks is one that a manager gives: a number, or what becomes one. */
export const isNameOfLock = (name: string): boolean =>
  isNumber(name) || (name.startsWith(beginning) && id.is(name.slice(beginning.length)));

/** What the name of a socket begins with that was given no number yet. */
const beginning = 'new-';

/**
 * Takes a data directory for one manager, among all processes and containers of this machine. The kernel takes it back
 * when the process ends, however that happens.
 *
 * The lock is a socket on which its holder listens, in the folder `lock`. That of a dead holder stays and refuses
 * connections; who finds the last one dead makes the next, whose number is one higher, and of all who try only one can.
 * The highest number is never taken away: nobody begins anew meanwhile.
 *
 * @param answerMs - how long the last holder may take to answer; who does not is alive
 *
 * @throws {@link DataDirLocked} as a rejection
 */
export async function lockDataDir(
  dataDir: string,
  now: () => number,
  answerMs = longestAnswerMs,
): Promise<DataDirLock> {
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
    const mine = join(short.path, `${beginning}${createId()}`);
    // In a cluster, the primary process would listen, and outlive us.
    server.listen({ path: mine, exclusive: true });
    await once(server, 'listening');
    server.unref();
    await chmod(mine, 0o600);
    await take(dataDir, short.path, mine, answerMs).finally(() => rm(mine, { force: true }));
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Gives our socket the next number, unless the last one's holder is alive. Who gives no answer that is understood is, and so is
 * who ends each time that he is asked, for as long as a holder may take.
 */
async function take(dataDir: string, folder: string, mine: string, answerMs: number): Promise<void> {
  const pathOf = (number: number): string => join(folder, String(number));
  let asked = -1;
  let until = 0;
  for (;;) {
    const last = Math.max(0, ...(await numbersIn(folder)));
    if (last !== asked) [asked, until] = [last, performance.now() + answerMs];
    const restMs = until - performance.now();
    if (restMs <= 0) throw new DataDirLocked({ dataDir });
    const answer = last === 0 ? 'dead' : await stateOf(pathOf(last), restMs);
    if (answer === 'gone') {
      await firstValueFrom(timer(pauseMs));
      continue;
    }
    if (answer !== 'dead') throw new DataDirLocked({ dataDir, holder: answer });

    const number = last + 1;
    if (!(await isLinked(mine, pathOf(number)))) continue;
    const numbers = await numbersIn(folder);
    // A folder that changes while it is read may seem to lack what was in it all the time.
    const isLast = number === Math.max(...numbers);
    const useless = isLast ? numbers.filter((each) => each !== number) : [number];
    await Promise.all(useless.map((each) => removeSocket(pathOf(each))));
    if (isLast) return;
  }
}

async function stateOf(path: string, withinMs: number): ReturnType<typeof askHolder> {
  const stats = await statOf(path);
  if (stats?.isSymbolicLink() === true) {
    throw new StoreFailed({ reason: `lock/${basename(path)} is a link, where a socket has to be` });
  }
  return askHolder(path, withinMs);
}

async function removeSocket(path: string): Promise<void> {
  if ((await statOf(path))?.isSocket() === true) await rm(path, { force: true });
}

/** How long it is waited before a holder is asked again. */
const pauseMs = 10;
/** How long the last holder may take to answer, unless it is said. */
const longestAnswerMs = 3_000;
/** Each number is that of an opening: no directory comes so far by itself, nor leaves so many behind. */
const highest = 1e12;
const most = 10_000;

async function numbersIn(folder: string): Promise<readonly number[]> {
  const names = (await readdir(folder)).filter(isNumber);
  const numbers = names.map(Number);
  if (numbers.length > most || numbers.some((number) => number >= highest)) {
    throw new StoreFailed({
      reason:
        'the folder lock holds names that no manager has given; remove what is in it while no manager runs',
    });
  }
  return numbers;
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
    throw new StoreFailed({ reason: `the path ${folder} is longer than ${String(longestFolder)} bytes` });
  }
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  return {
    path: `/proc/self/fd/${String(fd)}`,
    close: () => {
      closeSync(fd);
    },
  };
}
