import { createHash } from 'node:crypto';
import { defer, EMPTY, type Observable, of } from 'rxjs';
import type { LaunchPlan, Snapshotting } from '../driver.js';

/** What snapshots of homes in memory are made from. */
export interface MemorySnapshotsOptions {
  /** Folders by path, each with the lines that it holds. */
  readonly folders: Map<string, readonly string[]>;
  /** The lines of a home; throws when there is none. */
  readonly linesOf: (home: string) => string[];
  /** Makes a home with these lines. */
  readonly make: (plan: LaunchPlan, lines: readonly string[]) => void;
  /** Does something unless it is to fail. */
  readonly attempt: <T>(
    operation: 'take' | 'layOut' | 'replace',
    plan: LaunchPlan,
    work: () => Observable<T>,
  ) => Observable<T>;
}

/** Creates the snapshots of homes in memory: a folder holds the lines of the log, and all is done within `subscribe`. */
export function createMemorySnapshots(options: MemorySnapshotsOptions): Snapshotting {
  const { folders, linesOf, make, attempt } = options;

  const held = (folder: string): readonly string[] => {
    const lines = folders.get(folder);
    if (lines === undefined) throw new Error(`there is no folder ${folder}`);
    return lines;
  };

  return {
    kinds: ['Stopped'],
    take: ({ folder, ...plan }) =>
      attempt('take', plan, () => {
        folders.set(folder, [...linesOf(plan.home)]);
        return EMPTY;
      }),
    seal: (folder) =>
      defer(() => {
        const lines = held(folder);
        return of({ size: Buffer.byteLength(lines.join('\n')), hash: hashOf(lines), data: null });
      }),
    check: (folder, { hash }) =>
      defer(() => {
        const lines = folders.get(folder);
        if (lines === undefined)
          return of([{ path: '', found: 'nothing', expected: `the folder ${folder}` }]);
        const is = hashOf(lines);
        return of(is === hash ? [] : [{ path: 'log', found: `SHA-256 ${is}`, expected: `SHA-256 ${hash}` }]);
      }),
    layOut: ({ folder, ...plan }) =>
      attempt('layOut', plan, () => {
        make(plan, held(folder));
        return EMPTY;
      }),
    replace: ({ folder, ...plan }) =>
      attempt('replace', plan, () => {
        const lines = linesOf(plan.home);
        const former = [...lines];
        const put = (others: readonly string[]): void => {
          lines.splice(0, lines.length, ...others);
        };
        put(held(folder));
        return of({
          keep: () => EMPTY,
          undo: () =>
            defer(() => {
              put(former);
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

const hashOf = (lines: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(lines)).digest('hex');
