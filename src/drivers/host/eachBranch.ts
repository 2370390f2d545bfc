import { createSlots } from './slots.js';

/** Of all trees together: each holds some descriptors. */
const branches = createSlots(8);

/** A way through a tree, which can go on in several directories at once. */
export interface Branching<W> {
  /** Another way, which begins where this one is: this one has to stay there until that is closed. */
  branch(): W & { close(): void };
}

/**
 * Does work for each of some directories that lie where a way is, several at a time where there is room for branches of it.
 * Rejects with the first failure, once nothing of the work goes on any more.
 *
 * @param work - goes down and up by the way that it gets
 * @param before - is done before the way moves, or beside its branches
 */
export async function eachBranch<W extends Branching<W>, T>(
  way: W,
  directories: readonly T[],
  work: (way: W, directory: T) => Promise<void>,
  before: () => Promise<void>,
): Promise<void> {
  const count = directories.length > 1 ? branches.take(directories.length) : 0;
  if (count === 0) {
    await before();
    for (const directory of directories) await work(way, directory);
    return;
  }
  const rest = directories.values();
  const failures: unknown[] = [];

  const goThrough = async (): Promise<void> => {
    const branch = way.branch();
    try {
      for (const directory of rest) {
        if (failures.length === 0) await work(branch, directory);
      }
    } catch (error) {
      failures.push(error);
    } finally {
      branch.close();
      branches.leave();
    }
  };

  const begun = before().catch((error: unknown) => {
    failures.push(error);
  });
  await Promise.all([begun, ...Array.from({ length: count }, goThrough)]);
  if (failures.length > 0) throw failures[0];
}
