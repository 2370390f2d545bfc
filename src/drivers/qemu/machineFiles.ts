import { createDisks, type Disks } from './disk.js';
import { createFileIdentities, type FileIdentities } from './fileIdentity.js';
import { createKeptHashes, type KeptHashes } from './keptHashes.js';
import type { Programs } from './programs.js';
import { createSoundFolders, type SoundFolders } from './soundFolders.js';

/** What a driver knows of the files of its machines. */
export interface MachineFiles {
  readonly disks: Disks;
  readonly sound: SoundFolders;
  readonly identities: FileIdentities;
  readonly keptHashes: KeptHashes;
}

/** Creates {@link MachineFiles}. */
export function createMachineFiles(qemuImg: string, programs: Programs): MachineFiles {
  const disks = createDisks(qemuImg, programs);
  const sound = createSoundFolders();
  return { disks, sound, identities: createFileIdentities(), keptHashes: createKeptHashes(sound, disks) };
}
