import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findGroupMount, groupDir, linesOf } from './groupMount.js';
import { isWritable } from './isWritable.js';

/** What of the kernel counts and limits what groups of processes use. */
export type Controller = 'memory' | 'pids' | 'cpu';

/** A folder in which this process may make control groups that have controllers. */
export interface LimitPlace {
  readonly dir: string;
  /** How the kernel names it, where it is of cgroup v2. */
  readonly name?: string;
  readonly controllers: readonly Controller[];
}

const controllers: readonly Controller[] = ['memory', 'pids', 'cpu'];

/** The name of the group that this process is in: of version 2, or where version 1 has a controller. */
function ownGroup(controller?: Controller): string | undefined {
  for (const line of linesOf('/proc/self/cgroup')) {
    const [, , rest = ''] = /^(\d+):(.*)$/.exec(line) ?? [];
    const colon = rest.indexOf(':');
    const names = rest.slice(0, colon);
    if (controller === undefined ? line.startsWith('0::') : names.split(',').includes(controller)) {
      return rest.slice(colon + 1);
    }
  }
  return undefined;
}

/** Beneath the group of this process, as version 1 allows whoever may write there. */
function placeOfFirst(controller: Controller): LimitPlace | undefined {
  const [mount, name] = [findGroupMount(controller), ownGroup(controller)];
  const dir = mount === undefined || name === undefined ? undefined : groupDir(mount, name);
  return dir !== undefined && isWritable(join(dir, 'cgroup.procs'))
    ? { dir, controllers: [controller] }
    : undefined;
}

const words = (path: string): readonly string[] => linesOf(path)[0]?.split(' ') ?? [];

/** Whether the groups made in a folder have controllers; turns them on where that is allowed. */
function hasForGroups(dir: string, wanted: readonly Controller[]): boolean {
  const path = join(dir, 'cgroup.subtree_control');
  const isOn = (): boolean => wanted.every((each) => words(path).includes(each));
  if (isOn()) return true;
  try {
    writeFileSync(path, wanted.map((each) => `+${each}`).join(' '));
    return isOn();
  } catch {
    // Processes are in it themselves, or it is not ours to change.
    return false;
  }
}

/** What systemd keeps for itself: only within a unit that is handed down (`Delegate=yes`) may others make groups. */
const isSystemds = (dir: string): boolean => basename(dir).endsWith('.slice');

/**
 * In version 2 a group that has controllers for those within it holds no process itself, but for the first of all: so it is that in which the
 * group of this process lies, where somebody has put this one into a group of its own (`DelegateSubgroup=` of systemd).
 */
function placeOfSecond(wanted: readonly Controller[]): LimitPlace | undefined {
  const [mount, name] = [findGroupMount(), ownGroup()];
  if (mount === undefined || name === undefined) return undefined;
  const dir = groupDir(mount, name);
  if (dir === undefined) return undefined;
  const here = words(join(dir, 'cgroup.controllers')).filter(isController);
  const found = wanted.filter((each) => here.includes(each));
  if (found.length === 0) return undefined;
  const above = dirname(name);
  const places = [
    { dir, name },
    ...(dir === mount.at || isSystemds(above) ? [] : [{ dir: dirname(dir), name: above }]),
  ];
  const place = places.find(
    (each) => isWritable(join(each.dir, 'cgroup.procs')) && hasForGroups(each.dir, found),
  );
  return place && { ...place, controllers: found };
}

const isController = (word: string): word is Controller => controllers.some((each) => each === word);

/** Where groups can be made that limit what a process uses, by what this host has at the moment: cgroup v1, v2, or some of each. */
export function limitPlaces(): readonly LimitPlace[] {
  if (process.platform !== 'linux') return [];
  const first = controllers.flatMap((each) => placeOfFirst(each) ?? []);
  const missing = controllers.filter((each) => findGroupMount(each) === undefined);
  const second = missing.length === 0 ? undefined : placeOfSecond(missing);
  return second === undefined ? first : [...first, second];
}

/** How many files a process of this one may have open at the most; `undefined` where that is not known. */
export function mostOpenFiles(): number | undefined {
  try {
    const [, hard] = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return hard === undefined ? undefined : Number(hard);
  } catch {
    return undefined;
  }
}
