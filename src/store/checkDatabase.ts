import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { checkTree, hold, kinds, type Pages, type Tree, u64 } from './checkTree.js';
import { header, headerName, logTables } from './tables.js';

/**
 * Checks that a file of lmdb hangs together, since lmdb, led astray, ends the process: every page that it can come to lies
 * in the file, is what it is said to be, and is used once. Whether a record is what was written, its checksum tells.
 *
 * The file is read once, page by page, and what it holds is told on the way. On machines of 32 bits, where it is laid out
 * otherwise, nothing is checked.
 *
 * @returns what it holds; `undefined` where nothing was checked
 * @see lmdb `dependencies/lmdb/libraries/liblmdb/mdb.c`
 * @throws {@link StoreFailed} naming the first thing that is wrong
 */
export function checkDatabase(path: string): Held | undefined {
  if (endianness() !== 'LE' || ['arm', 'ia32'].includes(process.arch)) return undefined;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const held = { records: 0, hasHeader: false, logBytes: 0 };
  try {
    if (fstatSync(fd).size > 0) {
      checkFile(
        (offset, length) => read(fd, offset, length),
        (key, value) => {
          held.records += 1;
          if (logPrefixes.some((prefix) => beginsWith(key, prefix))) held.logBytes += value.length;
          else if (key.equals(headerKey)) held.hasHeader = true;
        },
      );
    }
    return held;
  } catch (error) {
    throw new StoreFailed(
      { reason: `the database is damaged: ${messageOf(error)}; ${remedy}` },
      { cause: error },
    );
  } finally {
    closeSync(fd);
  }
}

const remedy =
  'put back a copy of store/data.mdb, or move it away and begin anew (beginAnew), which leaves what else is there alone';

/** What a database holds. */
export interface Held {
  readonly records: number;
  /** Whether it is a store of ours. */
  readonly hasHeader: boolean;
  /** How many bytes the log takes. */
  readonly logBytes: number;
}

const headerKey = Buffer.from(header.keyOf(headerName));
const logPrefixes = logTables.map(({ prefix }) => Buffer.from(prefix));

/** Not by a method of `Buffer`: for each of a hundred thousand records, a call out of JavaScript is what opening would wait for. */
function beginsWith(key: Buffer, beginning: Buffer): boolean {
  for (let index = 0; index < beginning.length; index += 1) {
    if (key[index] !== beginning[index]) return false;
  }
  return true;
}

type Read = (offset: number, length: number) => Buffer;

function read(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const count = readSync(fd, bytes, 0, length, offset);
  hold(count === length, `it ends within byte ${String(offset)} and ${String(offset + length)}`);
  return bytes;
}

function checkFile(readAt: Read, visit: (key: Buffer, value: Buffer) => void): void {
  const { pageSize, lastPage, transaction, free, records } = newerMeta(readAt);
  const used = new Set<number>();
  const pages: Pages = {
    pageSize,
    transaction,
    read: (number, count) => readAt(number * pageSize, count * pageSize),
    use: (first, count) => {
      for (let number = first; number < first + count; number += 1) {
        hold(number >= 2 && number <= lastPage, `there is no page ${String(number)}`);
        hold(!used.has(number), `page ${String(number)} is used twice`);
        used.add(number);
      }
    },
  };

  hold(records.flags === 0, 'the tree of records is of another kind');
  checkTree(pages, records, Buffer.compare, visit);
  // lmdb keeps what it was opened with beside.
  hold((free.flags & 0xff) === 0x08, 'the tree of free pages is of another kind');
  checkTree(
    pages,
    free,
    (one, other) => u64(one, 0) - u64(other, 0),
    (key, list) => {
      hold(key.length === 8, 'a list of free pages has no number');
      checkFreePages(list, pages);
    },
  );
}

/**
 * A list is its length, then numbers of pages; a negative number tells how many pages there are from the next one on, and
 * 0 is left out.
 */
function checkFreePages(list: Buffer, { use }: Pages): void {
  hold(list.length >= 8 && list.length % 8 === 0, 'a list of free pages ends within a number');
  const length = u64(list, 0);
  hold(length < list.length / 8, 'a list of free pages is longer than it can be');
  let count = 1;
  for (let index = 1; index <= length; index += 1) {
    const entry = Number(list.readBigInt64LE(index * 8));
    if (entry > 0) use(entry, count);
    count = entry < 0 ? -entry : 1;
  }
}

/** What the file says of itself. */
interface Meta {
  readonly pageSize: number;
  readonly free: Tree;
  readonly records: Tree;
  readonly lastPage: number;
  /** The last one that is in it. */
  readonly transaction: number;
}

const metaBytes = 168;

/** Transactions write the two pages at the beginning by turns. */
function newerMeta(readAt: Read): Meta {
  const first = metaAt(readAt, 0);
  const second = metaAt(readAt, first.pageSize);
  const [older, newer] = first.transaction < second.transaction ? [first, second] : [second, first];
  hold(
    second.pageSize === first.pageSize &&
      (newer.transaction === 0 || newer.transaction === older.transaction + 1) &&
      (newer === second) === (newer.transaction % 2 === 1),
    'its two beginnings do not go together',
  );
  return newer;
}

function metaAt(readAt: Read, offset: number): Meta {
  const page = readAt(offset, metaBytes);
  const [magic, version] = [page.readUInt32LE(24), page.readUInt16LE(28)];
  hold(
    page.readUInt16LE(18) === kinds.meta && magic === 0xbeefc0de && version === 2,
    'it does not begin as one',
  );
  const [mapSize, pageSize] = [u64(page, 40), page.readUInt32LE(48)];
  const isPower = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0;
  hold(isPower && mapSize < 2 ** 44, 'its pages have no size');
  return {
    pageSize,
    free: treeAt(page, 48),
    records: treeAt(page, 96),
    lastPage: u64(page, 144),
    transaction: u64(page, 152),
  };
}

const treeAt = (page: Buffer, offset: number): Tree => ({
  flags: page.readUInt16LE(offset + 4),
  depth: page.readUInt16LE(offset + 6),
  branches: u64(page, offset + 8),
  leaves: u64(page, offset + 16),
  overflows: u64(page, offset + 24),
  entries: u64(page, offset + 32),
  root: u64(page, offset + 40),
});
