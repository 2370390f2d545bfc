import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  type Observable,
  of,
  repeat,
  takeWhile,
  throwError,
  timeout,
} from 'rxjs';
import { codeOf } from './codeOf.js';
import { findGroupMount, groupDir, type GroupMount, linesOf } from './groupMount.js';
import { isWritable } from './isWritable.js';
import { limitPlaces } from './limitPlaces.js';
import { processTable } from './processTable.js';
import type { GroupsPlace } from './spawnerGroups.js';

/**
 * A control group of Linux (cgroup v2): a process and all that it started, whatever group, session or user those have by now.
 * Only what needs no controller is used.
 */
export interface ControlGroup {
  /** Sends a signal to everybody in it whose pid is not left out. */
  signal(name: NodeJS.Signals | number, isLeftOut?: (pid: number) => boolean): void;
  /** The pids of all that is in it besides who has started them. */
  members(): readonly number[];
  /** Whether somebody is in it besides who has started them. */
  isPopulated(): boolean;
  /** Halts everybody, and completes once all are. */
  freeze(): Observable<never>;
  /** Lets everybody go on, also in groups that somebody has made in it. */
  thaw(): void;
  /** Kills everybody, and completes once nobody is left and the group is removed. */
  end(): Observable<never>;
}

/** How long the kernel may take to freeze or kill processes, or a spawner to leave. */
const settleMs = 5_000;
const lookEveryMs = 5;
/** After how many looks a spawner that is still in a group is left in it no longer. */
const spawnerLooks = 200;

let mount: { readonly found: GroupMount | undefined } | undefined;

/** The folder of a group, by the name that the kernel gives it. */
const dirOf = (name: string): string | undefined => {
  mount ??= { found: process.platform === 'linux' ? findGroupMount() : undefined };
  return mount.found === undefined ? undefined : groupDir(mount.found, name);
};

/** How the kernel names the group that a process is in; `undefined` where that is not known. */
export const groupNameOf = (pid: number | 'self'): string | undefined =>
  linesOf(`/proc/${String(pid)}/cgroup`)
    .find((line) => line.startsWith('0::'))
    ?.slice(3);

/** Where a spawner that is started now may try to make groups: in the one that it is born in. */
export function groupsPlace(): GroupsPlace | undefined {
  const name = groupNameOf('self');
  const dir = name === undefined ? undefined : dirOf(name);
  if (name === undefined || dir === undefined) return undefined;
  // Whoever may not write there could not come back.
  return isWritable(join(dir, 'cgroup.procs')) ? { dir, name } : undefined;
}

/** Removes the groups of which nobody is left; those with limits once their spawner is gone, which may be about to use them. */
export function sweepGroups(): void {
  const place = groupsPlace();
  const dirs = new Set([...(place === undefined ? [] : [place.dir]), ...limitPlaces().map(({ dir }) => dir)]);
  for (const dir of dirs) {
    for (const name of readdirSync(dir))
      if (ourName.test(name) && !isInUse(name)) void removeGroup(join(dir, name));
  }
}

const isInUse = (name: string): boolean => {
  const [, pid, startTime] = limitedBy.exec(name) ?? [];
  return pid !== undefined && processTable.startTimeOf(Number(pid)) === startTime;
};

const ourName = /^rx-instances(-limited)?\.[0-9.]+$/;
/** It says who has made the group. */
const limitedBy = /^rx-instances-limited\.(\d+)\.(\d+)\.\d+$/;
const spawnerIn = /^rx-instances\.(\d+)\.(\d+)\.\d+$/;

/** The group that a handle or a record names; none where that can't be one that a spawner has made. */
export function createControlGroup(name: string): ControlGroup | undefined {
  const parts = name.split('/');
  const last = parts.at(-1) ?? '';
  const isOurs = name.startsWith('/') && !parts.includes('..') && ourName.test(last);
  const dir = isOurs ? dirOf(name) : undefined;
  if (dir === undefined) return undefined;

  const [, spawnerPid, spawnerStart] = spawnerIn.exec(last) ?? [];

  /** It is in the group of what it has started until it has entered the next. By its name anybody may go. */
  const isSpawner = (pid: number): boolean =>
    String(pid) === spawnerPid && processTable.startTimeOf(pid) === spawnerStart;

  const pids = (): readonly number[] => membersOf(dir);
  const isSo = (event: string): boolean => linesOf(join(dir, 'cgroup.events')).includes(event);

  const signal = (
    signalName: NodeJS.Signals | number,
    isLeftOut: (pid: number) => boolean = () => false,
  ): void => {
    for (const pid of pids()) if (!isLeftOut(pid)) send(pid, signalName);
  };

  const until = (what: string, look: () => boolean): Observable<never> =>
    defer(() => of(look())).pipe(
      repeat({ delay: lookEveryMs }),
      takeWhile((done) => !done),
      ignoreElements(),
      timeout({
        first: settleMs,
        with: () => throwError(() => new Error(`after ${String(settleMs)} ms not every process had ${what}`)),
      }),
    );

  /** Whether whoever has started a process is still in its group, and not held there. */
  const holdsSpawner = (looks: number): boolean => looks < spawnerLooks && pids().some(isSpawner);

  return {
    signal: (signalName, isLeftOut = () => false) => {
      signal(signalName, (pid) => isLeftOut(pid) || isSpawner(pid));
    },
    members: () => pids().filter((pid) => !isSpawner(pid)),
    isPopulated: () => isSo('populated 1') && pids().some((pid) => !isSpawner(pid)),
    freeze: () =>
      defer(() => {
        let looks = 0;
        return concat(
          until('been left alone', () => !holdsSpawner((looks += 1))),
          defer(() => {
            if (pids().some(isSpawner) || !writeTo(join(dir, 'cgroup.freeze'), '1')) return EMPTY;
            return until('halted', () => !isSo('frozen 0'));
          }),
        );
      }),
    thaw: () => {
      thawIn(dir);
    },
    end: () =>
      defer(() => {
        // Most often its spawner has removed it: to look costs a quarter of a failure.
        if (statSync(dir, { throwIfNoEntry: false }) === undefined) return EMPTY;
        let looks = 0;
        return until('ended', () => {
          if (!isSo('populated 1')) return true;
          if (holdsSpawner((looks += 1))) {
            signal('SIGKILL', isSpawner);
            // It removes what it leaves.
            return pids().every(isSpawner);
          }
          if (!writeTo(join(dir, 'cgroup.kill'), '1')) signal('SIGKILL');
          return false;
        }).pipe(
          finalize(() => {
            void removeGroup(dir);
          }),
        );
      }),
  };
}

const groupsIn = (dir: string): readonly string[] => {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(dir, name));
  } catch {
    return [];
  }
};

/** Tells whether a file of a group took that. */
const writeTo = (path: string, text: string): boolean => {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    // It is removed, or the kernel is older than that.
    return false;
  }
};

function thawIn(dir: string): void {
  const path = join(dir, 'cgroup.freeze');
  // To write there may take a while.
  if (linesOf(path)[0] === '1') writeTo(path, '0');
  groupsIn(dir).forEach(thawIn);
}

/** Who is in a group, or in one that somebody has made in it. */
const membersOf = (dir: string): readonly number[] => [
  ...linesOf(join(dir, 'cgroup.procs')).filter(Boolean).map(Number),
  ...groupsIn(dir).flatMap(membersOf),
];

/** One in which somebody is stays. The kernel may let this wait, and nobody has to wait for it. */
async function removeGroup(dir: string): Promise<void> {
  const remove = (): Promise<string> => rmdir(dir).then(() => '', codeOf);
  // Somebody is in it, or has made a group in it; most often it is empty, or removed already.
  if ((await remove()) !== 'EBUSY') return;
  await Promise.all(groupsIn(dir).map(removeGroup));
  await remove();
}

const send = (pid: number, name: NodeJS.Signals | number): void => {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
};
