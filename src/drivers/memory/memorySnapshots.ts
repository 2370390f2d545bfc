import { createHash } from 'node:crypto';
import { defer, EMPTY, type Observable, of } from 'rxjs';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { LogLine } from '../../lifecycle/logLine.js';
import type { LaunchPlan, Snapshotting } from '../driver.js';

/** What a home holds: the lines of its log, and how far a machine counted that was suspended in it. */
export interface Held {
  readonly lines: readonly LogLine[];
  readonly memory?: number | undefined;
}

/** What snapshots of homes in memory are made from. */
export interface MemorySnapshotsOptions {
  readonly kinds: Snapshotting['kinds'];
  /** Folders by path. */
  readonly folders: Map<string, Held>;
  /** What is to be copied of a home; throws when there is none. */
  readonly copyOf: (home: string, kind: Snapshot['kind']) => Held;
  /** What a home holds, whether a machine runs in it or not; throws when there is none. */
  readonly held: (home: string) => Held;
  /** Makes a home, or puts this in the place of what one holds. */
  readonly make: (plan: LaunchPlan, held: Held) => void;
  /** Does something unless it is to fail. */
  readonly attempt: <T>(
    operation: 'take' | 'layOut' | 'replace',
    plan: LaunchPlan,
    work: () => Observable<T>,
  ) => Observable<T>;
}

/** Creates the snapshots of homes in memory: a folder holds what a home does, and all is done within `subscribe`. */
export function createMemorySnapshots(options: MemorySnapshotsOptions): Snapshotting {
  const { kinds, folders, copyOf, held, make, attempt } = options;

  const heldIn = (folder: string): Held => {
    const found = folders.get(folder);
    if (found === undefined) throw new Error(`there is no folder ${folder}`);
    return found;
  };

  const heldAs = (kind: Snapshot['kind'], folder: string): Held => {
    const { lines, memory } = heldIn(folder);
    return { lines, memory: kind === 'Standby' ? memory : undefined };
  };

  return {
    kinds,
    take: ({ folder, kind, ...plan }) =>
      attempt('take', plan, () => {
        folders.set(folder, copyOf(plan.home, kind));
        return EMPTY;
      }),
    seal: (folder) =>
      defer(() => {
        const found = heldIn(folder);
        return of({
          size: Buffer.byteLength(found.lines.map(({ text }) => text).join('\n')),
          hash: hashOf(found),
          data: null,
        });
      }),
    check: (folder, { hash }) =>
      defer(() => {
        const found = folders.get(folder);
        if (found === undefined)
          return of([{ path: '', found: 'nothing', expected: `the folder ${folder}` }]);
        const is = hashOf(found);
        return of(is === hash ? [] : [{ path: 'log', found: `SHA-256 ${is}`, expected: `SHA-256 ${hash}` }]);
      }),
    layOut: ({ folder, kind, ...plan }) =>
      attempt('layOut', plan, () => {
        make(plan, heldAs(kind, folder));
        return EMPTY;
      }),
    replace: ({ folder, kind, ...plan }) =>
      attempt('replace', plan, () => {
        const former = held(plan.home);
        make(plan, heldAs(kind, folder));
        return of({
          keep: () => EMPTY,
          undo: () =>
            defer(() => {
              make(plan, former);
              return EMPTY;
            }),
        });
      }),
    mend: () => EMPTY,
    discard: (folder) =>
      defer(() => {
        folders.delete(folder);
        return EMPTY;
      }),
  };
}

const hashOf = (held: Held): string => createHash('sha256').update(JSON.stringify(held)).digest('hex');
