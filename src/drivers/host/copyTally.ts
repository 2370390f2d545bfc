import { InvalidRequest } from '../../lifecycle/errors.js';

/** How much a tree may hold that is copied. */
export interface CopyLimits {
  /** Bytes of all files, holes as well: they have to be read where a file system cannot share them. */
  readonly maxBytes: number;
  /** Files, directories and whatever else. */
  readonly maxEntries: number;
}

/** Counts what is copied. */
export interface CopyTally {
  /** Entries that there may be yet. */
  left(): number;
  /** Counts an entry. @throws {@link InvalidRequest} when there are too many */
  entry(): void;
  /** Bytes of all files so far, for all threads that copy. */
  readonly bytes: BigInt64Array;
  readonly maxBytes: number;
  /** What is said of a file that is too much, with which there are so many bytes in all. */
  tooMuch(bytes: number, allBytes: number, path: string): InvalidRequest;
}

/** A {@link CopyTally} that fails beyond the limits, telling the path and what was found there. */
export function createCopyTally(source: string, limits?: CopyLimits): CopyTally {
  const { maxBytes = Infinity, maxEntries = Infinity } = limits ?? {};
  let entries = 0;

  return {
    left: () => maxEntries - entries,
    entry: () => {
      entries += 1;
      if (entries <= maxEntries) return;
      const found = `more than ${String(maxEntries)} files and directories`;
      const expected = `at most ${String(maxEntries)} (copyMaxEntries)`;
      throw new InvalidRequest({ faults: [{ path: source, found, expected }] });
    },
    bytes: new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)),
    maxBytes,
    tooMuch: (bytes, allBytes, path) => {
      const found = `${String(bytes)} bytes, which makes ${String(allBytes)} so far`;
      const expected = `at most ${String(maxBytes)} bytes in all (copyMaxBytes)`;
      return new InvalidRequest({ faults: [{ path, found, expected }] });
    },
  };
}
