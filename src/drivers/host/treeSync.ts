import { runProgram } from './runProgram.js';

/** Sees to it that all of a tree is on disk. */
export interface TreeSync {
  /** Whether an entry has to be flushed by itself; else {@link TreeSync.end} does it. */
  isByItself(): Promise<boolean>;
  /** Resolves once all is on disk that was not flushed by itself. */
  end(): Promise<void>;
}

/**
 * Of so few each is flushed by itself: what others have written has to be waited for in a flush of all. With 200 files that took twice the
 * time of the whole snapshot.
 */
const fewEntries = 512;

/**
 * Creates a {@link TreeSync} of a tree, all of one file system. Of many entries the rest is flushed at once with the whole file system
 * (`sync -f` of GNU coreutils), where that can be done: each flush by itself is a wait for the disk. Before
 * Linux 5.8 the kernel reports to nobody then that something could not be written.
 */
export function createTreeSync(
  tree: string,
  platform: NodeJS.Platform = process.platform,
  sync: (path: string) => Promise<unknown> = syncFileSystem,
): TreeSync {
  let entries = 0;
  let isLeft = false;

  return {
    isByItself: async () => {
      entries += 1;
      if (entries <= fewEntries || platform !== 'linux') return true;
      if (!(await isThere(sync))) return true;
      isLeft = true;
      return false;
    },
    end: async () => {
      if (isLeft) await sync(tree);
    },
  };
}

const syncFileSystem = (path: string): Promise<unknown> => runProgram('sync', ['-f', path]);

/** Once known, it is not asked again: of `/proc` nothing has to be written. */
const known = new WeakMap<(path: string) => Promise<unknown>, Promise<boolean>>();

function isThere(sync: (path: string) => Promise<unknown>): Promise<boolean> {
  const asked =
    known.get(sync) ??
    sync('/proc').then(
      () => true,
      () => false,
    );
  known.set(sync, asked);
  return asked;
}
