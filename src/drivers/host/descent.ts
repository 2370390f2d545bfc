import { fstatSync } from 'node:fs';
import { type HeldFolder, holdFolder } from './heldFolder.js';

/**
 * The way from a directory down to one below it. However deep that is, few of them are held open: one that was closed is opened
 * again as the one above, and has to be the very same.
 */
export interface Descent {
  /** Where it is. */
  readonly folder: HeldFolder;
  /** Goes into a directory; one that is reached by a link is none. When it fails, it stays where it is. */
  down(name: Buffer): Promise<void>;
  /** Goes back to the one above. */
  up(): Promise<void>;
  /** Another way, which begins where this one is: this one has to stay there until that is closed. */
  branch(): Descent;
  close(): void;
}

/** One directory of the way, held open or known by its identity. */
type Level =
  | { readonly kind: 'held'; readonly folder: HeldFolder; readonly isShared: boolean }
  | { readonly kind: 'closed'; readonly identity: string };

const heldAtOnce = 3;

/**
 * A {@link Descent} that begins in a directory.
 *
 * @param isShared - whether somebody else closes that
 */
export function createDescent(root: HeldFolder, platform: NodeJS.Platform, isShared = false): Descent {
  let current = { folder: root, isShared };
  /** Those above, the nearest last. */
  const above: Level[] = [];

  const closeAt = (index: number): void => {
    const level = above[index];
    if (level?.kind !== 'held' || level.isShared) return;
    above[index] = { kind: 'closed', identity: identityOf(level.folder) };
    level.folder.close();
  };

  const reopen = async (identity: string): Promise<HeldFolder> => {
    const found = await holdFolder(current.folder.above, platform);
    if (identityOf(found) === identity) return found;
    found.close();
    throw new Error('a directory was moved meanwhile');
  };

  return {
    get folder() {
      return current.folder;
    },
    down: async (name) => {
      const folder = await holdFolder(current.folder.within(name), platform);
      above.push({ kind: 'held', ...current });
      current = { folder, isShared: false };
      closeAt(above.length - heldAtOnce);
    },
    up: async () => {
      const level = above.at(-1);
      if (level === undefined) return;
      const next = level.kind === 'held' ? level : { folder: await reopen(level.identity), isShared: false };
      above.pop();
      current.folder.close();
      current = next;
    },
    branch: () => createDescent(current.folder, platform, true),
    close: () => {
      for (const level of [...above, current]) {
        if ('folder' in level && !level.isShared) level.folder.close();
      }
    },
  };
}

function identityOf({ fd }: HeldFolder): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${String(dev)}:${String(ino)}`;
}
