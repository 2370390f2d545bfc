import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { copyFile, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** How much of a log is kept. */
export interface LogLimits {
  /** Size from which the log is laid aside, in bytes. */
  readonly maxBytes: number;
  /** How many parts that were laid aside are kept. */
  readonly keep: number;
}

/**
 * The log of a home: the newest part of all that was ever written to it. A place in it is a count of bytes from its very
 * beginning, so that it stays the same when parts are laid aside and removed.
 */
export interface LogFiles {
  /** Where processes write to. */
  readonly path: string;
  /** The first place that is still kept. */
  start(): Promise<number>;
  /** The place that is written next. */
  end(): Promise<number>;
  /** Reads some bytes at a place, or at the first after it that is kept; none at the end. */
  read(place: number): Promise<Chunk>;
  /** Lays the log aside when it has grown to the limit. One at a time. */
  rotate(limits: LogLimits): Promise<void>;
}

/** Some bytes, and the place after them: an earlier one than was asked for when somebody else has emptied the log. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly next: number;
}

/** A part that was laid aside, named by the places that it holds. */
interface Part {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const chunkBytes = 64 * 1_024;
const nothing = Buffer.alloc(0);

/** Where the logs of a home lie. */
export const logDirOf = (home: string): string => join(home, 'logs');

/** A log of a home, there or not yet. */
export function createLogFiles(home: string, log = 'app'): LogFiles {
  const dir = logDirOf(home);
  const file = `${log}.log`;
  const path = join(dir, file);
  const partName = new RegExp(`^${log}\\.log\\.(\\d+)-(\\d+)$`);

  const parts = async (): Promise<readonly Part[]> =>
    (await readdir(dir).catch(orNone([])))
      .map((name) => partName.exec(name))
      .filter((match) => match !== null)
      .map(([name, start, end]) => ({ name, start: Number(start), end: Number(end) }))
      .sort((one, other) => one.start - other.start);

  const size = async (): Promise<number> => (await stat(path).catch(orNone({ size: 0 }))).size;

  /** Looks again when a log was laid aside meanwhile: what was seen may be half of the one and half of the other. */
  const steady = async <T>(look: () => Promise<T>): Promise<T> => {
    for (;;) {
      const before = timesLaidAside;
      const seen = await look();
      if (before === timesLaidAside) return seen;
    }
  };

  const readAt = async (place: number): Promise<Chunk> => {
    const laidAside = await parts();
    const part = laidAside.find(({ end }) => place < end);
    const { name, start } = part ?? { name: file, start: endOf(laidAside) };
    const chunk = await readChunk(join(dir, name), Math.max(0, place - start));
    // A part that is gone now was removed after it was listed; a log that is not there was not written yet.
    if (chunk === undefined) return part === undefined ? { bytes: nothing, next: place } : readAt(place);
    return { bytes: chunk.bytes, next: start + chunk.position + chunk.bytes.length };
  };

  return {
    path,
    start: async () => (await parts())[0]?.start ?? 0,
    end: () =>
      steady(async () => {
        const [laidAside, bytes] = await Promise.all([parts(), size()]);
        return endOf(laidAside) + bytes;
      }),
    read: (place) => steady(() => readAt(place)),
    rotate: async ({ maxBytes, keep }) => {
      // Most looks find nothing to do: to wait for a thread would cost many times that.
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < maxBytes) return;
      const laidAside = await parts();
      const copy = `${path}.copy`;
      try {
        await copyFile(path, copy);
        layAside(path, copy, (bytes) => {
          const start = endOf(laidAside);
          return `${path}.${String(start)}-${String(start + bytes)}`;
        });
      } finally {
        await rm(copy, { force: true });
      }
      const surplus = (await parts()).slice(0, -keep);
      await Promise.all(surplus.map(({ name }) => rm(join(dir, name), { force: true })));
    },
  };
}

const endOf = (laidAside: readonly Part[]): number => laidAside.at(-1)?.end ?? 0;

/** Of all logs: that a few reads of others are done twice costs less than a count for each. */
let timesLaidAside = 0;

/**
 * Completes the copy, names it, and empties the log, in one go: what processes write between the last read and the
 * truncation is lost, and that is a few microseconds.
 */
function layAside(path: string, copy: string, nameOf: (bytes: number) => string): void {
  timesLaidAside += 1;
  const log = openSync(path, 'r+');
  const target = openSync(copy, 'a');
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let copied = fstatSync(target).size;
    for (;;) {
      const length = readSync(log, chunk, 0, chunkBytes, copied);
      if (length === 0) break;
      copied += writeSync(target, chunk, 0, length);
    }
    renameSync(copy, nameOf(copied));
    ftruncateSync(log);
  } finally {
    closeSync(log);
    closeSync(target);
  }
}

async function readChunk(
  path: string,
  wanted: number,
): Promise<{ readonly bytes: Buffer; readonly position: number } | undefined> {
  const file = await open(path).catch(orNone(undefined));
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    // Shorter than what was read before: somebody else has emptied it.
    const position = wanted > size ? 0 : wanted;
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
    return { bytes: buffer.subarray(0, bytesRead), position };
  } finally {
    await file.close();
  }
}

/** What is not there yet, or not any more, is none. */
const orNone =
  <T>(none: T) =>
  (error: unknown): T => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return none;
    throw error;
  };
