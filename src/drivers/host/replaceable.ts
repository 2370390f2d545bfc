import { readdir, rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Replacement } from '../driver.js';
import { completeAfter } from './completeAfter.js';
import { onDisk } from './onDisk.js';
import { removeTree } from './removeTree.js';

/** A folder that another one can take the place of. */
export interface Replaceable {
  /** Fills a folder beside it, then puts that in its place. When it fails, nothing has changed. */
  replace(fill: (next: string) => Promise<unknown>): Promise<Replacement>;
  /** Brings in order what a replacement left that was cut off: all of the one is there then, or all of the other. */
  mend(): Promise<void>;
}

/** The {@link Replaceable} at a path. */
export function createReplaceable(path: string): Replaceable {
  const [next, former] = [`${path}.next`, `${path}.former`];

  /** Between two renames there is none at the path: then the former one is it again. What lies beside it goes. */
  const mend = async (): Promise<void> => {
    const names = await readdir(dirname(path)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Array<string>();
      throw error;
    });
    if (!names.includes(basename(path)) && names.includes(basename(former))) {
      await rename(former, path);
      await onDisk(dirname(path));
    }
    for (const beside of [next, former]) {
      // With what a removal has left of it.
      if (names.some((name) => name.startsWith(basename(beside)))) await removeTree(beside);
    }
  };

  return {
    mend,
    replace: async (fill) => {
      await mend();
      try {
        await fill(next);
        await rename(path, former);
        await rename(next, path);
        await onDisk(dirname(path));
      } catch (error) {
        await mend();
        throw error;
      }
      return {
        keep: () => completeAfter(() => removeTree(former)),
        undo: () =>
          completeAfter(async () => {
            await rename(path, next);
            await mend();
          }),
      };
    },
  };
}
