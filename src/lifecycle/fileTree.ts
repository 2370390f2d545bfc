import type { FileStat } from './fileStat.js';

/**
 * A directory of an instance that is held open while much of what lies beneath it is read or made, such as an archive. Paths begin there, have no empty
 * part, and none that is `.` or `..`; the empty one is the directory itself. No path leads out of it, whatever a program of the instance puts in the place of
 * what meanwhile: no link is followed. Failures are `FileFailed`, which name paths from the top of the instance's files on. One thing is asked for at a
 * time.
 */
export interface FileTree {
  /** Where it is, from the top of the instance's files on. */
  readonly path: string;
  /** Tells what lies at a path; of a link, the link itself. */
  stat(path: string): Promise<FileStat>;
  /** Tells what is in a directory, in the order of its names. One that is no UTF-8 is a failure. */
  list(path: string): Promise<readonly TreeEntry[]>;
  /** Opens a plain file. */
  open(path: string): Promise<OpenFile>;
  /** Begins a file in the place of whatever is there but a directory. Until it is finished, only its owner may read it. */
  create(path: string): Promise<NewFile>;
  /** Makes a directory in the place of whatever is there; is content with one that is there. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** Makes a link in the place of whatever is there but a directory. */
  makeLink(path: string, target: string, modifiedAt: number): Promise<void>;
  /** Gives a file that was made here another name, in the place of whatever is there but a directory; `id` is the file's. */
  makeName(path: string, file: string, id: string): Promise<void>;
  /** Says who may do what with a directory, and when it was changed last. */
  setAttributes(path: string, attributes: FileAttributes): Promise<void>;
}

/** What is in a directory. */
export interface TreeEntry extends Pick<FileStat, 'kind'> {
  readonly name: string;
}

/** What is told of a file beside its content. */
export type FileAttributes = Pick<FileStat, 'mode' | 'modifiedAt'>;

/** A plain file that is open. */
export interface OpenFile extends FileAttributes {
  /** In bytes, when it was opened. */
  readonly size: number;
  /** By what it is known where it has other names too. */
  readonly id?: string;
  /** Reads what comes next into the bytes, and resolves with how many it was; 0 is the end. One at a time. */
  read(into: Uint8Array): Promise<number>;
  /** Closes it. */
  close(): void;
}

/** A plain file that is being made. */
export interface NewFile {
  /** Resolves once the bytes are written. One at a time. */
  write(data: Uint8Array): Promise<void>;
  /** Gives it what is told beside its content, and resolves with what it is known by. */
  finish(attributes: FileAttributes): Promise<string>;
  /** Closes it, and removes it if it is not finished. */
  close(): void;
}
