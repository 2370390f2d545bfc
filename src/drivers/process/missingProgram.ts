import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { onOneLine } from '../../lifecycle/onOneLine.js';
import { findProgram, interpreterOf, type ProgramPlace, readHead } from './programFile.js';

/**
 * Says what is missing where the kernel has answered ENOENT to a program: the program itself, what its first line names, or the
 * loader of either.
 */
export function missingProgram(program: string, place: ProgramPlace): string {
  const file = findProgram(program, place);
  if (file === undefined) return `there is no program "${program}"${program.includes('/') ? '' : ' in PATH'}`;
  const head = readHead(file);
  const interpreter = head === undefined ? undefined : interpreterOf(head);
  if (interpreter === undefined) return withoutLoader(program);
  return existsSync(resolve(place.cwd, interpreter))
    ? withoutLoader(onOneLine(interpreter))
    : `the program "${program}" names in its first line "${onOneLine(interpreter)}", which is not there`;
}

const withoutLoader = (program: string): string =>
  `what loads the program "${program}" on this system is not there`;
