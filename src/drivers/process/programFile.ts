import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where and how a program is looked for. */
export interface ProgramPlace {
  readonly cwd: string;
  /** The `PATH` of the one that is started. */
  readonly path: string | undefined;
}

/** What the C library looks through where there is no `PATH`. */
const usualPath = '/bin:/usr/bin';

/** Where the file of a program can be, in the order of the search of `execvp`. */
export function filesOf(program: string, { cwd, path = usualPath }: ProgramPlace): readonly string[] {
  const folders = program.includes('/') ? [''] : path.split(':');
  return folders.map((folder) => resolve(cwd, folder, program));
}

/** The file of a program: the first that may be executed; `undefined` where there is none. */
export const findProgram = (program: string, place: ProgramPlace): string | undefined =>
  filesOf(program, place).find(isExecutable);

/** Most folders of a `PATH` have none of that name: to look costs a quarter of a failure. */
const isExecutable = (file: string): boolean => {
  try {
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false;
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** How a file begins. */
export interface Head {
  readonly bytes: Buffer;
  /** The size of the file. */
  readonly size: number;
}

/** What the kernel looks at, and where programs have their list of segments. */
const headBytes = 4_096;

/** Of what is no plain file, or may not be read, nothing is known. */
export function readHead(file: string): Head | undefined {
  let opened: number | undefined;
  try {
    // A pipe would make it wait.
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(opened);
    if (!stats.isFile()) return undefined;
    const bytes = Buffer.alloc(headBytes);
    return { bytes: bytes.subarray(0, readSync(opened, bytes)), size: stats.size };
  } catch {
    return undefined;
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

/** The kernel reads no more of a first line. */
const lineBytes = 256;

/** The program that a script names in its first line, `''` where it names none; `undefined` for what is no script. */
export function interpreterOf({ bytes }: Head): string | undefined {
  const start = bytes.toString('utf8', 0, lineBytes);
  return start.startsWith('#!') ? /^[ \t]*([^ \t\n\0]*)/.exec(start.slice(2))?.[1] : undefined;
}
