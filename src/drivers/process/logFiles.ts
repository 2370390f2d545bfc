import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
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
  read(place: number): Promise<{ readonly bytes: Buffer; readonly next: number }>;
  /** Lays the log aside when it has grown to the limit. One at a time. */
  rotate(limits: LogLimits): Promise<void>;
}

/** A part that was laid aside, named by the places that it holds. */
interface Part {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const chunkBytes = 64 * 1_024;

/** Where the logs of a home lie. */
export const logDirOf = (home: string): string => join(home, 'logs');

/** The log of a home, there or not yet. */
export function createLogFiles(home: string): LogFiles {
  const dir = logDirOf(home);
  const path = join(dir, 'app.log');

  const parts = async (): Promise<readonly Part[]> =>
    (await readdir(dir).catch(orNone([])))
      .map((name) => /^app\.log\.(\d+)-(\d+)$/.exec(name))
      .filter((match) => match !== null)
      .map(([name, start, end]) => ({ name, start: Number(start), end: Number(end) }))
      .sort((one, other) => one.start - other.start);

  const size = async (): Promise<number> => (await stat(path).catch(orNone({ size: 0 }))).size;

  const readAt = async (
    laidAside: readonly Part[],
    place: number,
  ): Promise<{ readonly bytes: Buffer; readonly next: number }> => {
    const part = laidAside.find(({ end }) => place < end) ?? { name: 'app.log', start: endOf(laidAside) };
    const from = Math.max(place, part.start);
    const bytes = await readChunk(join(dir, part.name), from - part.start);
    return { bytes, next: from + bytes.length };
  };

  return {
    path,
    start: async () => (await parts())[0]?.start ?? 0,
    end: async () => endOf(await parts()) + (await size()),
    read: async (place) => {
      for (;;) {
        const before = await parts();
        const chunk = await readAt(before, place);
        // What is read while the log is laid aside may be of another place.
        if (endOf(await parts()) === endOf(before)) return chunk;
      }
    },
    rotate: async ({ maxBytes, keep }) => {
      if ((await size()) < maxBytes) return;
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
      const surplus = (await parts()).slice(0, -keep || undefined);
      await Promise.all(surplus.map(({ name }) => rm(join(dir, name), { force: true })));
    },
  };
}

const endOf = (laidAside: readonly Part[]): number => laidAside.at(-1)?.end ?? 0;

/**
 * Completes the copy, names it, and empties the log, in one go: what processes write between the last read and the
 * truncation is lost, and that is a few microseconds.
 */
function layAside(path: string, copy: string, nameOf: (bytes: number) => string): void {
  const log = openSync(path, 'r+');
  const target = openSync(copy, 'a');
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let copied = fstatSync(target).size;
    for (;;) {
      const length = readSync(log, chunk, 0, chunkBytes, copied);
      if (length === 0) break;
      writeSync(target, chunk, 0, length);
      copied += length;
    }
    renameSync(copy, nameOf(copied));
    ftruncateSync(log);
  } finally {
    closeSync(log);
    closeSync(target);
  }
}

async function readChunk(path: string, position: number): Promise<Buffer> {
  const file = await open(path).catch(orNone(undefined));
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    // Somebody else has emptied it.
    const from = position > size ? 0 : position;
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, from);
    return buffer.subarray(0, bytesRead);
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
