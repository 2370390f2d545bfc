import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { onOneLine } from '../../lifecycle/onOneLine.js';
import { filesOf, type ProgramPlace } from './programFile.js';

/**
 * Says what is in the way where the kernel has answered EACCES to a program: that one, or a folder of `PATH` that may not be entered,
 * for which it answers so also where no other folder has the program.
 */
export function forbiddenProgram(program: string, place: ProgramPlace): string {
  const looks = filesOf(program, place).map((file) => ({ file, found: look(file) }));
  const closed = looks.find(({ found }) => found === 'closed');
  return closed === undefined || program.includes('/') || looks.some(({ found }) => found === 'there')
    ? `"${program}" may not be executed`
    : `there is no program "${program}" in PATH, of which "${onOneLine(dirname(closed.file))}" may not be entered`;
}

function look(file: string): 'there' | 'missing' | 'closed' {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined ? 'missing' : 'there';
  } catch {
    return 'closed';
  }
}
