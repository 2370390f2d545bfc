import type { FileStat } from './fileStat.js';

/** A file that is being read. */
export interface FileReader {
  /** Resolves with the bytes that come next, and with `undefined` once all were read. Read one at a time. */
  read(): Promise<Uint8Array | undefined>;
}

/** A file that is being written. Until it is finished, nothing of it is to be seen. */
export interface FileWriter {
  /** Resolves once the bytes are written. One at a time. */
  write(data: Uint8Array): Promise<void>;
  /** Puts it in its place, and resolves with what lies there then. */
  finish(): Promise<FileStat>;
}

/** How to write a file. */
export interface WriteOptions {
  /** Who may do what with it. @defaultValue as what it replaces has it, without set-user-ID and set-group-ID, else `0o644` */
  readonly mode?: number;
}

/** How to make a directory. */
export interface MkdirOptions {
  /** Makes those that it lies in too, and is content with one that is there. @defaultValue false */
  readonly recursive?: boolean;
  /** @defaultValue `0o755` */
  readonly mode?: number;
}

/** How to remove something. */
export interface RemoveOptions {
  /** Removes a directory with all that is in it. @defaultValue false: it has to be empty */
  readonly recursive?: boolean;
}

/** What was copied into an instance. */
export interface CopiedIn {
  /** How many entries the archive had. */
  readonly entries: number;
  /** How much was in its files, in bytes. */
  readonly bytes: number;
}
