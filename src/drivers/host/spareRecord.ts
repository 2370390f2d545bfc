import { createHmac } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { holdFolder } from './heldFolder.js';

/** Where a manager writes until when the spawner of an earlier one is to spare what the process of a home leaves behind. */
export const sparePathOf = (home: string): string => join(home, 'run', 'spare.json');

/**
 * Writes down that what a process leaves behind has that time from now. Signed with the secret of its run: the instance can write
 * there too, and must not give itself time.
 */
export async function writeSpare(home: string, token: string, graceMs: number): Promise<void> {
  const path = sparePathOf(home);
  const until = Math.round(Number(process.hrtime.bigint() / 1_000_000n) + graceMs);
  const mac = createHmac('sha256', token)
    .update(JSON.stringify(['spare', until]))
    .digest('hex');
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const folder = await holdFolder(dirname(path), process.platform);
  try {
    const part = folder.within(`${basename(path)}.new`);
    await rm(part, { force: true });
    const file = await open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await file.writeFile(JSON.stringify({ until, mac }));
    } finally {
      await file.close();
    }
    await rename(part, folder.within(basename(path)));
  } finally {
    folder.close();
  }
}
