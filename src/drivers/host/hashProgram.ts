/** A file to be hashed. */
export interface HashedFile {
  /** By what path it is reached. */
  readonly path: Uint8Array;
  /** Which it is given before. */
  readonly mode: number | undefined;
}

/** Hashes a file. */
export type HashFile = (file: HashedFile) => readonly string[];

/**
 * Makes what hashes files as `hashPieces` does, by calls that wait. It is a whole program, whose text is handed to threads. A link is not
 * followed, and what is no regular file is a failure.
 */
export function hashProgram(): HashFile {
  const fs = process.getBuiltinModule('node:fs');
  const { createHash } = process.getBuiltinModule('node:crypto');
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const buffer = new Uint8Array(1_024 * 1_024);

  /** One read need not give all. */
  const fill = (fd: number, most: number): number => {
    for (let filled = 0; ;) {
      const count = fs.readSync(fd, buffer, filled, most - filled, null);
      filled += count;
      if (count === 0 || filled === most) return filled;
    }
  };

  return ({ path, mode }) => {
    const fd = fs.openSync(path as Buffer, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stats = fs.fstatSync(fd);
      if (!stats.isFile()) throw new Error('it is no regular file');
      if (mode !== undefined) fs.fchmodSync(fd, mode);
      const pieces: string[] = [];
      for (let left = stats.size; left > 0;) {
        const count = fill(fd, Math.min(left, buffer.length));
        // It is shorter than it was.
        if (count === 0) break;
        pieces.push(createHash('sha256').update(buffer.subarray(0, count)).digest('hex'));
        left -= count;
      }
      return pieces;
    } finally {
      fs.closeSync(fd);
    }
  };
}
