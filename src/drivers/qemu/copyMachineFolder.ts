import type { Snapshot } from '../../lifecycle/snapshot.js';
import { shareKeptImage } from './keptImage.js';
import type { MachineFiles } from './machineFiles.js';

/** Which folder of a machine that stands still is copied, and how. */
export interface FolderCopy {
  readonly from: string;
  /** An empty folder, or one that is not there yet. */
  readonly to: string;
  readonly kind: Snapshot['kind'];
  /** Copies the memory, for a `Standby`. */
  readonly copyMemory: (from: string, to: string) => Promise<void>;
}

/** Gives a folder the image, the disk and, for a `Standby`, the memory of another. */
export const copyMachineFolder = (
  { disks, sound }: Pick<MachineFiles, 'disks' | 'sound'>,
  { from, to, kind, copyMemory }: FolderCopy,
): Promise<void> =>
  sound.naming(from, async () => {
    await shareKeptImage(from, to);
    await disks.copy(from, to);
    if (kind === 'Standby') await copyMemory(from, to);
  });
