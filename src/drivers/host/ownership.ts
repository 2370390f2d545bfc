import { realpath } from 'node:fs/promises';
import { basename, dirname, sep } from 'node:path';
import { groupNameOf } from './controlGroup.js';
import { directoryId } from './directoryId.js';
import type { ProcessHandle } from './processHandle.js';
import { type ProcessEntry, processTable } from './processTable.js';
import { isOfRun, type RunRecord, spawnerName } from './runRecord.js';

/** On what ground a process is said to be an instance's. */
export interface Claim {
  readonly home: string;
  /** From the store, which instances cannot write; `undefined` where only the home names it. */
  readonly stored: ProcessHandle | undefined;
  readonly run: RunRecord | undefined;
  /** Where it is to work by what the store holds now, if not in its home. */
  readonly cwd?: string | undefined;
}

/**
 * Whether a process is what a spawner has started for an instance: only then may it be signalled. It leads a session, as what
 * spawners start does for as long as it lives, and one of these holds:
 *
 * - the kernel has it in the control group that the store names
 * - as this user, it works in the home or writes there (or in a directory that the store names, by its path or as the one where it
 *   was started), and began with the instance's id in its environment, or store and home agree
 *   on the run
 * - store and home agree on the run, and a spawner is its parent
 *
 * What another user runs by now needs the group or the parent. The home alone, in which the instance may have written what it
 * likes, is believed only of a process that has the instance's id in its environment.
 */
export async function isOurs(entry: ProcessEntry, { home, stored, run, cwd }: Claim): Promise<boolean> {
  const { pid, group, session, parent } = entry;
  if (group !== pid || session !== pid) return false;
  const [user, bornWith] = await Promise.all([processTable.user(pid), processTable.environment(pid)]);
  const isOwn = user === process.geteuid?.();
  const isNamed = bornWith.includes(idIn(home));
  const isGrouped = isWithinGroup(pid, stored?.group ?? run?.handle.group);
  if (isGrouped && (stored?.group !== undefined || isNamed)) return true;
  const isHere = async (): Promise<boolean> =>
    (await isPlaced(pid, home)) ||
    (cwd !== undefined && (await isPlaced(pid, cwd))) ||
    (stored?.place !== undefined && (await isWithin(pid, stored.place)));
  const isOwnHere = isOwn && (await isHere());
  if (isNamed && isOwnHere) return true;
  const isChild = parent === run?.spawner.pid && (await isSpawner(run.spawner));
  if (stored === undefined) return isNamed && isChild;
  if (run === undefined || !isOfRun(run, stored)) return false;
  return isChild || isOwnHere;
}

/** What stands in the environment of whatever an instance starts. */
export const idIn = (home: string): string => `INSTANCE_ID=${basename(home)}`;

/** Whether a process works in a home or another directory, or writes to a file of it. macOS shows nothing of that. */
export async function isPlaced(pid: number, home: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const root = `${await realpath(home).catch(() => home)}${sep}`;
  return (await processTable.places(pid)).some((place) => `${place}${sep}`.startsWith(root));
}

/** Whether a process works in a directory, or writes to a file of it, wherever that lies by now. */
async function isWithin(pid: number, directory: string): Promise<boolean> {
  // Also where it was removed.
  if ((await directoryId(`/proc/${String(pid)}/cwd`)) === directory) return true;
  const above = new Set((await processTable.places(pid)).flatMap(foldersAbove));
  for (const folder of above) if ((await directoryId(folder)) === directory) return true;
  return false;
}

/** All folders that a path leads through but the root, in which all is. What is no path leads through none. */
function foldersAbove(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path || parent === '.' || parent === sep ? [] : [parent, ...foldersAbove(parent)];
}

function isWithinGroup(pid: number, name: string | undefined): boolean {
  if (name === undefined) return false;
  return `${groupNameOf(pid) ?? ''}/`.startsWith(`${name}/`);
}

async function isSpawner({ pid, startTime }: RunRecord['spawner']): Promise<boolean> {
  if ((await processTable.find(pid))?.startTime !== startTime) return false;
  if ((await processTable.user(pid)) !== process.geteuid?.()) return false;
  return (await processTable.commandLine(pid)).includes(spawnerName);
}
