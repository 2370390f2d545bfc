import { join } from 'node:path';
import { faultsOfRam, keptMemory, memoryFiles } from './memory.js';
import { contentHashOf, readRamHash, writeRamHash } from './ramHash.js';
import type { SoundFolders } from './soundFolders.js';

/**
 * Reckons the hashes of memories that are kept, one memory after another: to do it within a standby would take longer than all else
 * of that. Nothing waits for it but whoever closes.
 */
export interface RamHashes {
  /** The memory in a folder is to be hashed, unless that is known; nothing runs on it. */
  add(folder: string): void;
  /** Whatever is done with the folder comes next: resolves once nothing is read or written there. */
  stop(folder: string): Promise<void>;
  /** Resolves once all is done. */
  done(): Promise<void>;
}

/** Creates {@link RamHashes}. */
export function createRamHashes(sound: SoundFolders): RamHashes {
  const waiting = new Set<string>();
  let current:
    { readonly folder: string; readonly abort: AbortController; readonly over: Promise<void> } | undefined;
  let working: Promise<void> = Promise.resolve();
  let works = false;

  const work = async (): Promise<void> => {
    for (const folder of waiting) {
      waiting.delete(folder);
      const abort = new AbortController();
      // Without its hash a memory is as good, as long as it stays where it is.
      const over = hashed(folder, abort.signal, sound).catch(() => undefined);
      current = { folder, abort, over };
      await over;
      current = undefined;
    }
    works = false;
  };

  return {
    add: (folder) => {
      waiting.add(folder);
      if (works) return;
      works = true;
      working = work();
    },
    stop: async (folder) => {
      waiting.delete(folder);
      if (current?.folder !== folder) return;
      current.abort.abort();
      await current.over;
    },
    done: () => working,
  };
}

async function hashed(folder: string, signal: AbortSignal, sound: SoundFolders): Promise<void> {
  const path = join(folder, memoryFiles.ramHash);
  const kept = await keptMemory(folder);
  const state = kept?.state.sha256 ?? '';
  if (kept?.ram?.modifiedMs === undefined || (await readRamHash(path, state)) !== undefined) return;
  const sha256 = await contentHashOf(join(folder, memoryFiles.ram), signal);
  // Whoever wrote to it meanwhile has spoilt it.
  if (signal.aborted || (await faultsOfRam(folder, kept.ram)).length > 0) return;
  await sound.naming(folder, () => writeRamHash(path, { state, sha256 }));
}
