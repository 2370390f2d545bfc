import { readdirSync, readFileSync } from 'node:fs';

/** Marks descriptors in `/proc/self/fdinfo` that no child inherits. */
const closedOnExec = 0o2000000;

/**
 * What stands in the `stdio` of a child from its descriptor 3 on, so that it inherits nothing of what this process has open
 * without close-on-exec, such as the files of lmdb: an empty device takes the place of each. Elsewhere than on Linux Node sees
 * to that itself.
 */
export function inheritsNothing(): readonly 'ignore'[] {
  if (process.platform !== 'linux') return [];
  const inherited = readdirSync('/proc/self/fd').map(Number).filter(isInherited);
  return Array<'ignore'>(Math.max(0, ...inherited.map((fd) => fd - 2))).fill('ignore');
}

function isInherited(fd: number): boolean {
  try {
    const [, flags = ''] =
      /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${String(fd)}`, 'utf8')) ?? [];
    return (parseInt(flags, 8) & closedOnExec) === 0;
  } catch {
    // That of the listing is closed by now.
    return false;
  }
}
