import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** How much is made at a time: to make room often would cost a flush each time. */
const step = Buffer.alloc(262_144);

/**
 * Makes the file of a database longer than it has to be, so that lmdb finds room for whatever it writes: that a disk is
 * full it tells in more bytes than it has for that, which may be the end of the process. Nobody else may make the file
 * longer meanwhile.
 *
 * What is returned resolves once there is room up to an end; it rejects with what the system says, such as `ENOSPC`.
 *
 * @see lmdb `dependencies/lmdb/libraries/liblmdb/mdb.c`, `mdb_page_flush`
 */
export function roomAhead(path: string): (end: number) => Promise<void> {
  let size = 0;

  return async (end) => {
    if (size >= end) return;
    const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      ({ size } = await file.stat());
      // Written, not laid out empty: what is written over later takes no more room.
      for (const wanted = end + step.length; size < wanted;) {
        size += (await file.write(step, 0, Math.min(step.length, wanted - size), size)).bytesWritten;
      }
    } catch (error) {
      if (size < end) throw error;
    } finally {
      await file.close();
    }
  };
}

/** What an entry takes in a page besides its key and its value: its header, and its place in the list of entries. */
const entryBytes = 16;

/** How many pages lmdb may need beyond its last one to write all this; more than it ever does. */
export function pagesFor(
  writes: ReadonlyMap<string, Buffer | undefined>,
  pageSize: number,
  lastPage: number,
): number {
  let filled = 0;
  for (const [key, written] of writes) {
    const pages = (entryBytes + key.length + (written?.length ?? 0)) / pageSize;
    // What is small shares pages with others, which may stay half empty; what is large has pages of its own.
    filled += Math.min(4 * pages, pages + 2);
  }
  // Each record may change a page that was there and split it, and so those above it.
  const changed = 4 * Math.min(writes.size, lastPage);
  // The list of free pages, and the trees themselves.
  const kept = lastPage / 256 + 32;
  return Math.ceil(filled + changed + kept);
}
