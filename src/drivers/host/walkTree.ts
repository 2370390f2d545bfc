import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What lies in a folder, a link or a file or whatever it is; `path` is relative to the folder. */
export type Entry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly size: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'something else'; readonly path: string };

/**
 * Lists all that lies in a folder and below it, each directory before what is in it. Links are not followed.
 *
 * @param enter - asked before a directory is read
 */
export async function walkTree(
  folder: string,
  enter: (entry: Entry) => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const within = async (parent: string): Promise<void> => {
    for (const name of (await readdir(join(folder, parent))).sort()) {
      const entry = await look(folder, join(parent, name));
      entries.push(entry);
      if (entry.kind !== 'directory') continue;
      await enter(entry);
      await within(entry.path);
    }
  };
  await within('');
  return entries;
}

async function look(folder: string, path: string): Promise<Entry> {
  const found = await lstat(join(folder, path));
  const mode = found.mode & 0o7777;
  if (found.isDirectory()) return { kind: 'directory', path, mode };
  if (found.isFile()) return { kind: 'file', path, mode, size: found.size };
  if (found.isSymbolicLink()) return { kind: 'link', path, target: await readlink(join(folder, path)) };
  return { kind: 'something else', path };
}
