import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A mount of a tree of control groups. */
export interface GroupMount {
  readonly at: string;
  /** Which part of the tree of groups it shows. */
  readonly root: string;
}

/** The lines of a file of the system; none where there is no such file. */
export const linesOf = (path: string): readonly string[] => {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
};

/** A space, a tab, a line's end or a backslash in a path is written as its octal code. */
const unescaped = (text: string): string =>
  text.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));

/** The mount of the tree of control groups of version 2, or of that in which version 1 has a controller. */
export function findGroupMount(controller?: string): GroupMount | undefined {
  for (const line of linesOf('/proc/self/mountinfo')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, at] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    const isIt =
      controller === undefined
        ? type === 'cgroup2'
        : type === 'cgroup' && options.split(',').includes(controller);
    if (isIt && root !== undefined && at !== undefined) return { root: unescaped(root), at: unescaped(at) };
  }
  return undefined;
}

/** The folder of a group, by the name that the kernel gives it; none where the mount does not show it. */
export function groupDir({ at, root }: GroupMount, name: string): string | undefined {
  const path = relative(root, name);
  return path.split('/').includes('..') ? undefined : join(at, path);
}
