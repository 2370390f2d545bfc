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
  /** Counts a file. @throws {@link InvalidRequest} when that is too much */
  file(bytes: number, path: string): void;
}

/** A {@link CopyTally} that fails beyond the limits, telling the path and what was found there. */
export function createCopyTally(source: string, limits?: CopyLimits): CopyTally {
  const { maxBytes = Infinity, maxEntries = Infinity } = limits ?? {};
  let [allBytes, entries] = [0, 0];

  return {
    left: () => maxEntries - entries,
    entry: () => {
      entries += 1;
      if (entries <= maxEntries) return;
      const found = `more than ${String(maxEntries)} files and directories`;
      const expected = `at most ${String(maxEntries)} (copyMaxEntries)`;
      throw new InvalidRequest({ faults: [{ path: source, found, expected }] });
    },
    file: (bytes, path) => {
      allBytes += bytes;
      if (allBytes <= maxBytes) return;
      const found = `${String(bytes)} bytes, which makes ${String(allBytes)} so far`;
      const expected = `at most ${String(maxBytes)} bytes in all (copyMaxBytes)`;
      throw new InvalidRequest({ faults: [{ path, found, expected }] });
    },
  };
}
