import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  read,
  readSync,
  renameSync,
  write,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codeOf } from './codeOf.js';
import { type LogFile, type LogFolder, openLogFolder } from './logFolder.js';
import { createSlots } from './slots.js';

/** How much of a log is kept. */
export interface LogLimits {
  /** Size from which the log is laid aside, in bytes. */
  readonly maxBytes: number;
  /** How many parts that were laid aside are kept. */
  readonly keep: number;
}

/**
 * The log of a home: the newest part of all that was ever written to it. A place in it is a count of bytes from its very
 * beginning, so that it stays the same when parts are laid aside and removed. Each of its files holds one kind of lines, and
 * only one is written to: that of the processes themselves, or that of a reader of output.
 *
 * What runs in the home can put anything in the place of a file or of their folder, and make files of any length. So no link is
 * followed, what is no plain file fails with {@link LogUnreadable}, and of a file with holes no more is read than lies on the disk.
 */
export interface LogFiles {
  /** Where processes write to by themselves. */
  readonly path: string;
  /** The first place that is still kept. */
  start(): Promise<number>;
  /** The place that is written next. */
  end(): Promise<number>;
  /** Sees to it that what processes write by themselves from now on comes after what was read of others. */
  beginRaw(): Promise<void>;
  /** What differs from before once something was written, or laid aside. */
  mark(): string;
  /** Reads some bytes at a place, or at the first after it that is kept; none at the end. */
  read(place: number): Promise<Chunk>;
  /**
   * Lays aside what processes write by themselves when it has grown to the limit. One at a time. Of one that has grown far beyond all that is kept the
   * last bytes only; and of what is written faster than it can be copied the last are lost.
   */
  rotate(limits: LogLimits): Promise<void>;
}

/** Some bytes, and the place after them: an earlier one than was asked for when somebody else has emptied the log. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly next: number;
  /** Whether processes have written them there themselves; else they were kept as lines with time and stream. */
  readonly isRaw: boolean;
}

/** A part that was laid aside, named by the places that it holds. */
interface Part {
  readonly name: string;
  readonly isRaw: boolean;
  readonly start: number;
  readonly end: number;
}

const chunkBytes = 64 * 1_024;
const pieceBytes = 1_024 * 1_024;
const zeros = Buffer.alloc(pieceBytes);
const nothing = Buffer.alloc(0);
const none = { ino: 0, size: 0, mtimeMs: 0, ctimeMs: 0 };

/** Of a log that is laid aside as much is kept at least, if limits say less. */
const leastCopied = 16 * 1_024 * 1_024;
/** How many bytes are copied while the event loop waits. */
const mostAtOnce = 256 * 1_024;
/** How many folders of logs are open at a time, of all homes. */
const folders = createSlots(16);
/** The last place that a name may tell: far beyond it numbers are not whole any more. */
const lastPlace = 2 ** 52;

/** Where the logs of a home lie. */
export const logDirOf = (home: string): string => join(home, 'logs');

/** A log of a home, there or not yet. */
export function createLogFiles(home: string, log = 'app'): LogFiles {
  const file = `${log}.log`;
  const readFile = `${log}.cri.log`;
  const dir = logDirOf(home);
  const path = join(dir, file);
  const partName = new RegExp(`^${log}(\\.cri)?\\.log\\.(\\d{1,16})-(\\d{1,16})$`);

  const partsIn = (folder: LogFolder): readonly Part[] =>
    folder
      .names()
      .map((name) => partName.exec(name))
      .filter((match) => match !== null)
      .map(([name, read, start, end]) => ({
        ...{ name, isRaw: read === undefined },
        ...{ start: Number(start), end: Number(end) },
      }))
      .filter(({ start, end }) => start < end && end <= lastPlace)
      .sort((one, other) => one.start - other.start);

  /** Works in the folder of the logs; without one there is `none`. */
  const inFolder = <T>(none: T, work: (folder: LogFolder) => T | Promise<T>): Promise<T> =>
    folders.run(async () => {
      const folder = openLogFolder(dir);
      if (folder === undefined) return none;
      try {
        return await work(folder);
      } finally {
        folder.close();
      }
    });

  const size = (folder: LogFolder, name: string): number => {
    const opened = folder.open(name, constants.O_RDONLY);
    if (opened === undefined) return 0;
    closeSync(opened.fd);
    return opened.stats.size;
  };

  /** The last file, if anything is in it; while one is laid aside for the other, both can be there. */
  const lastIn = (folder: LogFolder): { readonly name: string; readonly isRaw: boolean } =>
    size(folder, readFile) > 0 ? { name: readFile, isRaw: false } : { name: file, isRaw: true };

  /** Whether a log was laid aside since: what was seen of its last file may be half of the one and half of the other. */
  const laidAsideSince = (folder: LogFolder, parts: readonly Part[]): boolean =>
    endOf(partsIn(folder)) !== endOf(parts);

  const endIn = (folder: LogFolder): number => {
    // As before the first start of an instance.
    if (folder.names().length === 0) return 0;
    for (;;) {
      const parts = partsIn(folder);
      const end = endOf(parts) + size(folder, lastIn(folder).name);
      if (!laidAsideSince(folder, parts)) return end;
    }
  };

  const readLast = async (folder: LogFolder, place: number, start: number): Promise<Chunk> => {
    const from = Math.max(0, place - start);
    const { name, isRaw } = lastIn(folder);
    // Shorter than what was read before: somebody else has emptied it.
    const chunk = await readChunk(folder.open(name, constants.O_RDONLY), ({ stats }) =>
      from > stats.size ? 0 : from,
    );
    // A log that is not there was not written yet.
    return chunk === undefined ? nothingAt(place) : { ...placed(chunk, start), isRaw };
  };

  const readAt = async (folder: LogFolder, place: number): Promise<Chunk> => {
    for (;;) {
      const parts = partsIn(folder);
      for (const { name, isRaw, start, end } of parts.filter((part) => place < part.end)) {
        const from = Math.max(0, place - start);
        const chunk = await readChunk(folder.open(name, constants.O_RDONLY), () => from, end - start);
        // One that is gone now was removed after it was listed; one that is shorter lost what its name counts.
        if (chunk !== undefined && chunk.bytes.length > 0) return { ...placed(chunk, start), isRaw };
      }
      const chunk = await readLast(folder, place, endOf(parts));
      if (!laidAsideSince(folder, parts)) return chunk;
    }
  };

  return {
    path,
    start: () => inFolder(0, (folder) => partsIn(folder)[0]?.start ?? 0),
    end: () => inFolder(0, endIn),
    mark: () => `${markOf(path)} ${markOf(join(dir, readFile))}`,
    read: (place) => inFolder(nothingAt(place), (folder) => readAt(folder, place)),
    beginRaw: () =>
      inFolder(undefined, (folder) => {
        // Whoever still reads what an earlier run has left finds it, and keeps no more of that.
        const opened = folder.open(file, constants.O_RDWR | constants.O_CREAT);
        if (opened !== undefined) closeSync(opened.fd);
        const bytes = size(folder, readFile);
        if (bytes === 0) return;
        const start = endOf(partsIn(folder));
        const part = `${readFile}.${String(start)}-${String(start + bytes)}`;
        renameSync(folder.pathOf(readFile), folder.pathOf(part));
      }),
    rotate: async ({ maxBytes, keep }) => {
      // Most looks find nothing to do.
      if (sizeOf(path) < maxBytes) return;
      await inFolder(undefined, async (folder) => {
        const opened = folder.open(file, constants.O_RDWR);
        if (opened === undefined) return;
        try {
          const most = Math.max(leastCopied, maxBytes * keep);
          await layAside(folder, file, opened, { start: endOf(partsIn(folder)), most });
        } finally {
          closeSync(opened.fd);
        }
        const surplus = partsIn(folder).slice(0, -keep);
        await Promise.all(surplus.map(({ name }) => rm(folder.pathOf(name), { force: true })));
      });
    },
  };
}

const nothingAt = (place: number): Chunk => ({ bytes: nothing, next: place, isRaw: false });

const endOf = (laidAside: readonly Part[]): number => Math.max(0, ...laidAside.map(({ end }) => end));

/** What is not there, and what is no file, has none. */
function sizeOf(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true ? stats.size : 0;
}

/** Nothing is opened: it may be anything, and reading tells what is wrong with it. */
function markOf(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = lstatSync(path, { throwIfNoEntry: false }) ?? none;
    return `${String(ino)} ${String(size)} ${String(mtimeMs)} ${String(ctimeMs)}`;
  } catch (error) {
    return codeOf(error);
  }
}

/**
 * Copies the end of a log, names the copy by its places, and empties the log. The last bytes are copied in one go with that:
 * what processes write between the last read and the truncation is lost, and that is a few microseconds.
 */
async function layAside(
  folder: LogFolder,
  file: string,
  log: LogFile,
  { start, most }: { readonly start: number; readonly most: number },
): Promise<void> {
  const copyName = `${file}.copy`;
  await rm(folder.pathOf(copyName), { force: true });
  const copy = folder.open(copyName, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL);
  if (copy === undefined) return;
  try {
    const from = Math.max(0, log.stats.size - most);
    const hurry = log.stats.size + most;
    let copied = from;
    const left = (): number => fstatSync(log.fd).size - copied;
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, log.stats.size - from + mostAtOnce));

    while (left() > mostAtOnce && copied < hurry) {
      const { bytesRead } = await promisify(read)(log.fd, piece, 0, piece.length, copied);
      if (bytesRead === 0) break;
      const isHole = isZero(piece.subarray(0, bytesRead));
      copied += isHole ? bytesRead : await written(copy.fd, piece, bytesRead, copied - from);
    }

    const lastBytes = readSync(log.fd, piece, 0, Math.min(mostAtOnce, piece.length), copied);
    copied += writeSync(copy.fd, piece, 0, lastBytes, copied - from);
    // A hole at its end was not written.
    ftruncateSync(copy.fd, copied - from);
    const end = copied + Math.max(0, left());
    renameSync(
      folder.pathOf(copyName),
      folder.pathOf(`${file}.${String(start + from)}-${String(start + end)}`),
    );
    ftruncateSync(log.fd);
  } finally {
    closeSync(copy.fd);
    await rm(folder.pathOf(copyName), { force: true });
  }
}

const written = async (fd: number, piece: Buffer, length: number, position: number): Promise<number> =>
  (await promisify(write)(fd, piece, 0, length, position)).bytesWritten;

const isZero = (bytes: Buffer): boolean => bytes.equals(zeros.subarray(0, bytes.length));

interface Read {
  readonly bytes: Buffer;
  readonly position: number;
}

const placed = ({ bytes, position }: Read, start: number): Omit<Chunk, 'isRaw'> => ({
  bytes,
  next: start + position + bytes.length,
});

/** Reads some bytes of a file, none beyond `most`, and closes it. */
async function readChunk(
  file: LogFile | undefined,
  from: (file: LogFile) => number,
  most = Infinity,
): Promise<Read | undefined> {
  if (file === undefined) return undefined;
  const { fd, stats } = file;
  const readFrom = async (position: number): Promise<Read> => {
    const length = Math.max(0, Math.min(chunkBytes, most - position));
    const { buffer, bytesRead } = await promisify(read)(fd, Buffer.allocUnsafe(length), 0, length, position);
    return { bytes: buffer.subarray(0, bytesRead), position };
  };
  try {
    const chunk = await readFrom(from(file));
    // All that lies on the disk may lie at the end. What does not is a hole, and there are some of terabytes.
    const data = stats.size - stats.blocks * blockBytes;
    const isHole = chunk.bytes.length === chunkBytes && chunk.position < data && isZero(chunk.bytes);
    return isHole ? await readFrom(data) : chunk;
  } finally {
    closeSync(fd);
  }
}

/** In which `stat` counts, whatever the disk's are. */
const blockBytes = 512;
