import type { Stats } from 'node:fs';

/** What a copy asks of the file system. Whoever goes on with it does that, in this thread or in Node's pool of them. */
export interface CopyCalls {
  open(path: Buffer, flags: number, mode?: number): number;
  close(fd: number): void;
  lstat(path: Buffer): Stats;
  readlink(path: Buffer, options: { readonly encoding: 'buffer' }): Buffer;
  symlink(target: Buffer, path: Buffer): void;
  copyFile(from: Buffer, to: Buffer, mode: number): void;
  read(fd: number, into: Buffer, offset: number, length: number, position: number): number;
  write(fd: number, from: Buffer, offset: number, length: number, position: number): number;
  ftruncate(fd: number, length: number): void;
  utimes(path: Buffer, accessed: Date, modified: Date): void;
  chmod(path: Buffer, mode: number): void;
  fchmod(fd: number, mode: number): void;
  fsync(fd: number): void;
}

/** One call. */
export interface CopyCall {
  readonly name: keyof CopyCalls;
  readonly args: readonly unknown[];
}

/** A copy that goes on: gives one call after another, and is given what came of each. */
export type CopySteps<T> = Generator<CopyCall, T, unknown>;

/** An entry of a directory that is no directory itself. */
export interface CopiedEntry {
  readonly name: string;
  /** What it was when the directory was read; not known where it was a directory. */
  readonly kind: 'file' | 'link' | 'other' | undefined;
  /** Instead of the mode that is found. */
  readonly mode: number | undefined;
  /** Whether it is to be flushed by itself. */
  readonly isFlushed: boolean;
}

/** The directory in which entries are copied, in both trees, and how. */
export interface CopyPlace {
  /** Paths by which the directories are reached. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Whether a file is reached by its descriptor, and not by its path. */
  readonly byFd: boolean;
  readonly isLive: boolean;
  /** Bytes of all files of the tree so far, shared by all who copy it. */
  readonly bytes: BigInt64Array;
  readonly maxBytes: number;
  /** Up to which size files are read and written here, since a call costs less than what the kernel does to copy between them. */
  readonly smallBytes: number;
}

/** Why an entry was not copied. */
export type CopyRefusal =
  | { readonly kind: 'changed' }
  | { readonly kind: 'too much'; readonly bytes: number; readonly all: number }
  | { readonly kind: 'bad link'; readonly target: string };

/** Whether blocks can be shared, as far as it is known. */
export interface CopyClones {
  work: boolean;
}

/** Copies. */
export interface Copies {
  /** Copies one entry; returns why not. */
  copyEntry(place: CopyPlace, entry: CopiedEntry, clones: CopyClones): CopySteps<CopyRefusal | undefined>;
  /** Copies a file to where nothing is, for its owner only, without writing what is empty in it. */
  copyPieces(source: number, target: Buffer, size: number): CopySteps<void>;
}

/**
 * Makes what copies entries. It is a whole program, whose text is handed to threads: nothing but Node is used.
 *
 * Links are copied as links; none is followed. Blocks are shared where the file system can, and what is empty in a file is not
 * written. What has become something else meanwhile is looked at again.
 */
export function copyProgram(): Copies {
  const { closeSync, constants, fstatSync } = process.getBuiltinModule('node:fs');
  const { Buffer, isUtf8 } = process.getBuiltinModule('node:buffer');
  const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;
  const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

  /** How often something is looked at that changes its kind meanwhile. */
  const mostLooks = 3;
  const fileBits = 0o777;
  /** Below this a hole is not worth it. */
  const holesFromBytes = 1_024 * 1_024;
  const blockBytes = 512;
  /** Below this it is not worth it to share blocks. */
  const clonesFromBytes = 4_096;
  /** Read at a time. */
  const pieceBytes = 256 * 1_024;
  /** What is all zeros of this much is left out. */
  const emptyBytes = 64 * 1_024;
  const zeros = Buffer.alloc(emptyBytes);

  type Returned<K extends keyof CopyCalls> = ReturnType<CopyCalls[K]>;

  function* call<K extends keyof CopyCalls>(
    name: K,
    ...args: Parameters<CopyCalls[K]>
  ): CopySteps<Returned<K>> {
    return (yield { name, args }) as Returned<K>;
  }

  const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

  /** Nothing where the call fails with one of these codes. */
  function* unless<T>(codes: readonly string[], steps: CopySteps<T>): CopySteps<T | undefined> {
    try {
      return yield* steps;
    } catch (error) {
      if (codes.includes(codeOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  const kindOf = (stats: Stats): CopiedEntry['kind'] => {
    if (stats.isSymbolicLink()) return 'link';
    if (stats.isFile()) return 'file';
    return stats.isDirectory() ? undefined : 'other';
  };

  /** One write need not take all. */
  function* writeAll(fd: number, bytes: Buffer, place: number): CopySteps<void> {
    for (let written = 0; written < bytes.length;) {
      written += yield* call('write', fd, bytes, written, bytes.length - written, place + written);
    }
  }

  function* copyPieces(source: number, target: Buffer, size: number): CopySteps<void> {
    const copy = yield* call('open', target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      const buffer = Buffer.allocUnsafe(Math.min(size, pieceBytes));
      let [place, written] = [0, 0];
      while (place < size) {
        const count = yield* call('read', source, buffer, 0, Math.min(buffer.length, size - place), place);
        // It is shorter than it was.
        if (count === 0) break;
        for (let start = 0; start < count; start += emptyBytes) {
          const block = buffer.subarray(start, Math.min(start + emptyBytes, count));
          if (zeros.subarray(0, block.length).equals(block)) continue;
          yield* writeAll(copy, block, place + start);
          written = place + start + block.length;
        }
        place += count;
      }
      if (written < place) yield* call('ftruncate', copy, place);
    } finally {
      yield* call('close', copy);
    }
  }

  function* copyContent(
    fd: number,
    { size, blocks }: Stats,
    [path, target]: readonly [Buffer, Buffer],
    smallBytes: number,
    clones: CopyClones,
  ): CopySteps<void> {
    const isRead = size <= smallBytes || (size >= holesFromBytes && blocks * blockBytes < size);
    if (clones.work && isRead && size >= clonesFromBytes) {
      try {
        yield* call('copyFile', path, target, COPYFILE_EXCL | COPYFILE_FICLONE_FORCE);
        return;
      } catch {
        clones.work = false;
      }
    }
    if (isRead) yield* copyPieces(fd, target, size);
    else yield* call('copyFile', path, target, COPYFILE_EXCL | COPYFILE_FICLONE);
  }

  function* giveMode(target: Buffer, mode: number, isFlushed: boolean): CopySteps<void> {
    if (!isFlushed) return yield* call('chmod', target, mode);
    // By its new mode it may not be opened any more.
    const copy = yield* call('open', target, O_RDONLY);
    try {
      yield* call('fchmod', copy, mode);
      yield* call('fsync', copy);
    } finally {
      yield* call('close', copy);
    }
  }

  const changed = { kind: 'changed' } as const;

  function* copyLink(source: Buffer, target: Buffer): CopySteps<CopyRefusal | undefined> {
    const link = yield* unless(['EINVAL'], call('readlink', source, { encoding: 'buffer' }));
    if (link === undefined) return changed;
    if (!isUtf8(link)) return { kind: 'bad link', target: link.toString() };
    yield* call('symlink', link, target);
    return undefined;
  }

  function* copyFile(
    place: CopyPlace,
    { mode, isFlushed }: CopiedEntry,
    [source, target]: readonly [Buffer, Buffer],
    clones: CopyClones,
  ): CopySteps<CopyRefusal | undefined> {
    // A pipe would wait for its other end.
    const opened = call('open', source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const fd = yield* unless(['ELOOP', 'ENXIO'], opened);
    if (fd === undefined) return changed;
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return changed;
      const all = Number(Atomics.add(place.bytes, 0, BigInt(stats.size))) + stats.size;
      if (all > place.maxBytes) return { kind: 'too much', bytes: stats.size, all };
      const reached = place.byFd ? Buffer.from(`/proc/self/fd/${String(fd)}`) : source;
      yield* copyContent(fd, stats, [reached, target], place.smallBytes, clones);
      yield* call('utimes', target, stats.atime, stats.mtime);
      yield* giveMode(target, (mode ?? stats.mode) & fileBits, isFlushed);
      return undefined;
    } finally {
      // Nothing of it has to be written: it takes no time.
      closeSync(fd);
    }
  }

  function* copyEntry(
    place: CopyPlace,
    entry: CopiedEntry,
    clones: CopyClones,
  ): CopySteps<CopyRefusal | undefined> {
    const { name, kind } = entry;
    const source = Buffer.concat([place.from, Buffer.from(`/${name}`)]);
    const paths = [source, Buffer.concat([place.to, Buffer.from(`/${name}`)])] as const;
    try {
      let found = kind ?? kindOf(yield* call('lstat', source));
      for (let looks = 1; ; looks += 1) {
        // A directory has been something else; pipes, sockets and devices are left out.
        if (found === 'other' || (found === undefined && place.isLive)) return undefined;
        let refusal: CopyRefusal | undefined = changed;
        if (found === 'link') refusal = yield* copyLink(...paths);
        else if (found === 'file') refusal = yield* copyFile(place, entry, paths, clones);
        if (refusal?.kind !== 'changed' || looks === mostLooks) return refusal;
        found = kindOf(yield* call('lstat', source));
      }
    } catch (error) {
      const isGone =
        codeOf(error) === 'ENOENT' && (error as NodeJS.ErrnoException).path === source.toString();
      if (place.isLive && isGone) return undefined;
      throw error;
    }
  }

  return { copyEntry, copyPieces };
}
