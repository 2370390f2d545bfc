import { fstatSync } from 'node:fs';
import type { HeldFolder } from './heldFolder.js';

/** To whom belongs what root makes in the folder of another user: the instance runs as that one. */
export function ownerWithin({
  fd,
}: Pick<HeldFolder, 'fd'>): { readonly uid: number; readonly gid: number } | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const { uid, gid } = fstatSync(fd);
  return uid === 0 ? undefined : { uid, gid };
}
