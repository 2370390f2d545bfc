import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Where something is kept. `short` has paths that fit into the address of a socket, wherever the repository lies. */
export type Place = 'build' | 'short';

const isOurs = process.env['BENCH_SCRATCH'] === undefined;

/**
 * Where this run keeps what it needs on disk: beside the repository and not among the temporary files, which may lie in
 * memory. The processes of the contenders share it.
 */
const root = (process.env['BENCH_SCRATCH'] ??= join(
  __dirname,
  '../../build',
  `bench-${String(process.pid)}`,
));

const roots: Readonly<Record<Place, string>> = {
  build: root,
  // What lies there outlasts the host, so that it is on a disk.
  short: join('/var/tmp', basename(root)),
};

/** A new folder under a name that no other of this run has. */
export function newFolder(name: string, place: Place = 'build'): string {
  const folder = join(roots[place], name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A folder that the first of this run who asks for it fills; no two ask at a time. */
export async function filledFolder(
  name: string,
  fill: (folder: string) => Promise<unknown>,
  place: Place = 'build',
): Promise<string> {
  const folder = join(roots[place], name);
  if (existsSync(folder)) return folder;
  const unfinished = newFolder(`${name}.unfinished`, place);
  await fill(unfinished);
  renameSync(unfinished, folder);
  return folder;
}

/** Removes all of it. */
export function removeScratch(): void {
  for (const folder of Object.values(roots)) rmSync(folder, { recursive: true, force: true });
}

/** Waits for the end of its input, kills whoever works in one of the folders that it is given, and removes them. */
const clearUp = `
cat >/dev/null
for root do
  for place in /proc/[0-9]*/cwd; do
    case $(readlink "$place") in
      "$root"/*) process=\${place#/proc/}; kill -KILL "\${process%/cwd}" ;;
    esac
  done
  # Who hears of their ends may still be writing.
  rm -rf "$root" || { sleep 1; rm -rf "$root"; }
done`;

/**
 * Has all of it removed when this process ends, however that comes, and every machine ended that runs in it: a machine outlives
 * the manager that started it.
 */
export function clearUpAfterwards(): void {
  if (!isOurs) return;
  const child = spawn('sh', ['-c', clearUp, 'clear-up', ...Object.values(roots)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // The kernel closes its input with this process.
  child.unref();
}
