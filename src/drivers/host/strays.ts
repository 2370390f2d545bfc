import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { idIn, isPlaced } from './ownership.js';
import { type ProcessEntry, processTable } from './processTable.js';

/**
 * Ends what has left the group of an instance's process, where there is no control group that would hold it: a process of
 * this user that has the instance's id in its environment and works in the home, or writes there; or one that works in the
 * home, has no terminal, and whose parent is gone, as a daemon's; and all in their sessions. Whoever only looks around in the
 * home is left alone.
 *
 * Completes once none is left, or fails after some rounds of killing.
 */
export async function endStrays(home: string): Promise<void> {
  for (let round = 0; round < mostRounds; round += 1) {
    const strays = await straysOf(home);
    if (strays.length === 0) return;
    await Promise.all(strays.map(kill));
  }
  throw new Error(`what runs in ${home} cannot be ended`);
}

const mostRounds = 100;

/** What runs now, as far as homes are about it. */
export interface Running {
  /** The ids of instances that stand in the environment of what runs as this user. */
  readonly names: ReadonlySet<string>;
  /** The pids of all processes, and the groups that they are in. */
  readonly pids: ReadonlySet<number>;
}

export async function findRunning(): Promise<Running> {
  const entries = await candidates();
  const environments = await Promise.all(entries.map(({ pid }) => processTable.environment(pid)));
  return {
    names: new Set(environments.flat().filter((variable) => variable.startsWith('INSTANCE_ID='))),
    pids: new Set(entries.flatMap(({ pid, group }) => [pid, group])),
  };
}

/** Those of the kernel have none of all this. */
const candidates = async (): Promise<readonly ProcessEntry[]> =>
  (await processTable.all()).filter(({ pid, parent }) => pid !== process.pid && parent !== kernelParent);

const kernelParent = process.platform === 'linux' ? 2 : -1;

async function straysOf(home: string): Promise<readonly ProcessEntry[]> {
  const entries = await candidates();
  const root = await realpath(home).catch(() => home);
  const isStray = async (entry: ProcessEntry): Promise<boolean> => {
    const { pid } = entry;
    const isNamed = (await processTable.environment(pid)).includes(idIn(home));
    if (!isNamed && !(await isDaemon(entry))) return false;
    if ((await processTable.user(pid)) !== process.geteuid?.()) return false;
    return isNamed ? isPlaced(pid, home) : worksIn(pid, root);
  };
  const found = await Promise.all(entries.map(isStray));
  const sessions = new Set(entries.filter((_, index) => found[index]).map(({ session }) => session));
  const leaders = new Set(
    entries.filter(({ pid }, index) => found[index] && sessions.has(pid)).map(({ pid }) => pid),
  );
  return entries.filter(({ session }, index) => found[index] === true || leaders.has(session));
}

/** A process whose parent is gone is given to the first of all, or to the systemd of its user. */
async function isDaemon({ parent, hasTerminal }: ProcessEntry): Promise<boolean> {
  if (hasTerminal) return false;
  if (parent === 1) return true;
  return (await processTable.commandLine(parent))[0]?.endsWith('/systemd') === true;
}

async function worksIn(pid: number, root: string): Promise<boolean> {
  const [place] = await processTable.places(pid);
  return place !== undefined && `${place}${sep}`.startsWith(`${root}${sep}`);
}

/** Looked at again: its pid may be another's by now. */
async function kill({ pid, startTime }: ProcessEntry): Promise<void> {
  if ((await processTable.find(pid))?.startTime !== startTime) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, or acts as somebody else by now.
  }
}
