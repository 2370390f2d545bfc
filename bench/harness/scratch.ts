import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where this run keeps what it needs on disk: beside the repository and not among the temporary files, which may lie in
 * memory. The processes of the contenders share it.
 */
const root = (process.env['BENCH_SCRATCH'] ??= join(
  __dirname,
  '../../build',
  `bench-${String(process.pid)}`,
));

/** A new folder under a name that no other of this run has. */
export function newFolder(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A folder that the first of this run who asks for it fills; no two ask at a time. */
export async function filledFolder(
  name: string,
  fill: (folder: string) => Promise<unknown>,
): Promise<string> {
  const folder = join(root, name);
  if (existsSync(folder)) return folder;
  const unfinished = newFolder(`${name}.unfinished`);
  await fill(unfinished);
  renameSync(unfinished, folder);
  return folder;
}

/** Removes all of it. */
export function removeScratch(): void {
  rmSync(root, { recursive: true, force: true });
}
