import { realpath, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { onOneLine } from '../../lifecycle/onOneLine.js';
import { withFile } from '../host/withFile.js';

/** The kernel reads no more of a first line. */
const firstLineBytes = 256;

/**
 * Says what is missing where the kernel has answered ENOENT to a program, by the same search: the program itself, what its first line
 * names, or its loader.
 */
export async function missingProgram(program: string, cwd: string, path = ''): Promise<string> {
  const isSearched = !program.includes('/');
  const places = isSearched
    ? path.split(delimiter).map((folder) => resolve(cwd, folder, program))
    : [resolve(cwd, program)];
  for (const place of places) {
    if (!(await isThere(place))) continue;
    const interpreter = await interpreterOf(place);
    return interpreter === undefined
      ? `what loads the program "${program}" on this system is not there`
      : `the program "${program}" names in its first line "${onOneLine(interpreter)}", which is not there`;
  }
  return `there is no program "${program}"${isSearched ? ' in PATH' : ''}`;
}

const isThere = (place: string): Promise<boolean> =>
  stat(place).then(
    (status) => status.isFile(),
    () => false,
  );

/** The program that a script names in its first line; `undefined` for what is no script, or can't be read. */
const interpreterOf = async (place: string): Promise<string | undefined> => {
  try {
    return await withFile(await realpath(place), async (file) => {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(firstLineBytes), 0, firstLineBytes, 0);
      return /^#![ \t]*([^ \t\n]+)/.exec(buffer.toString('utf8', 0, bytesRead))?.[1];
    });
  } catch {
    return undefined;
  }
};
