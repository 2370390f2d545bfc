import { stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Programs } from './programs.js';
import { inspectQemu, type QemuVersion } from './qemuProgram.js';

/**
 * The QEMU that is installed: it is asked what it is once, and again once its file is another, as after an update.
 */
export function createInstalledQemu(program: string, programs: Programs): () => Promise<QemuVersion> {
  let known: { readonly looks: string; readonly version: Promise<QemuVersion> } | undefined;
  return async () => {
    const looks = await looksOf(program);
    if (known?.looks === looks) return known.version;
    const version = inspectQemu(program, programs);
    known = { looks, version };
    version.catch(() => {
      known = undefined;
    });
    return version;
  };
}

/** By which file it is, wherever `PATH` leads. */
async function looksOf(program: string): Promise<string> {
  const folders = program.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    const path = folder === '' ? program : join(folder, program);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() === true) return [path, found.ino, found.size, found.ctimeMs].map(String).join(' ');
  }
  return '';
}
