import { type CopyThreads, threadsAtOnce, useCopyThreads } from './copyThreads.js';
import { createHashInThreads, type HashInThreads } from './hashInThreads.js';
import { hashPieces } from './hashPieces.js';
import { createSlots } from './slots.js';
import { withFile } from './withFile.js';

/** Hashes the files of a tree. */
export interface Hasher {
  /** The SHA-256 of each MiB of a file, of which the size is about known; it can be sealed before. */
  pieces(path: Buffer, size: number, seal?: Sealing): Promise<readonly string[]>;
  /** Once nothing is asked for any more. */
  close(): Promise<void>;
}

/** What is done to a file before it is hashed. */
export interface Sealing {
  readonly fileMode: number;
  readonly isFlushed: boolean;
}

/** After so many the rest is hashed by threads, which have to be started first. */
const fewFiles = 256;
/** Larger ones take a thread too long, and are hashed in Node's pool. */
const smallBytes = 1_024 * 1_024;

/** Held open at a time, of all trees together. */
const open = createSlots(16);

/** Creates a {@link Hasher}. */
export function createHasher(): Hasher {
  let files = 0;
  let threads: CopyThreads | undefined;
  let hashInThreads: HashInThreads | undefined;

  return {
    pieces: async (path, size, seal) => {
      files += 1;
      if (files > fewFiles && size <= smallBytes && seal?.isFlushed !== true) {
        threads ??= useCopyThreads();
        hashInThreads ??= createHashInThreads(threads, threadsAtOnce);
        const pieces = await hashInThreads({ path, mode: seal?.fileMode });
        if (pieces !== undefined) return pieces;
      }
      return open.run(() =>
        withFile(path, async (file) => {
          if (seal !== undefined) await file.chmod(seal.fileMode);
          if (seal?.isFlushed) await file.sync();
          return hashPieces(file);
        }),
      );
    },
    close: async () => {
      await threads?.close();
    },
  };
}
