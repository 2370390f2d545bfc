import { join } from 'node:path';
import { noop } from 'rxjs';
import type { Disks } from './disk.js';
import { hashLayers } from './keptLayers.js';
import { faultsOfRam, keptMemory, memoryFiles, type SavedMemory } from './memory.js';
import { contentHashOf, readRamHash, writeRamHash } from './ramHash.js';
import type { SoundFolders } from './soundFolders.js';

/**
 * Reckons the hashes of memories that are kept, and of the disks that belong to them, one memory after another: to do it within a standby would take longer than all else
 * of that. Nothing waits for it but whoever closes.
 */
export interface KeptHashes {
  /** The memory in a folder is to be hashed, unless that is known; nothing runs on it. */
  add(folder: string): void;
  /** Whatever is done with the folder comes next: resolves once nothing is read or written there. */
  stop(folder: string): Promise<void>;
  /** Resolves once all is done. */
  done(): Promise<void>;
}

/** Creates {@link KeptHashes}. */
export function createKeptHashes(sound: SoundFolders, disks: Pick<Disks, 'layers'>): KeptHashes {
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
      const over = hashed(folder, abort.signal, sound, disks).catch(noop);
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

async function hashed(
  folder: string,
  signal: AbortSignal,
  sound: SoundFolders,
  disks: Pick<Disks, 'layers'>,
): Promise<void> {
  const kept = await keptMemory(folder);
  if (kept === undefined) return;
  await hashRam(folder, kept, signal, sound);
  const write = await hashLayers(folder, kept.layers ?? [], await disks.layers(folder), signal);
  if (write !== undefined && !signal.aborted) await sound.naming(folder, write);
}

async function hashRam(
  folder: string,
  kept: SavedMemory,
  signal: AbortSignal,
  sound: SoundFolders,
): Promise<void> {
  const path = join(folder, memoryFiles.ramHash);
  const state = kept.state.sha256;
  if (kept.ram?.modifiedMs === undefined || (await readRamHash(path, state)) !== undefined) return;
  const sha256 = await contentHashOf(join(folder, memoryFiles.ram), signal);
  // Whoever wrote to it meanwhile has spoilt it.
  if (signal.aborted || (await faultsOfRam(folder, kept.ram)).length > 0) return;
  await sound.naming(folder, () => writeRamHash(path, { state, sha256 }));
}
