import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Identity, mayDo } from '../host/identity.js';
import { forbiddenProgram } from './forbiddenProgram.js';
import { missingProgram } from './missingProgram.js';
import { filesOf, findProgram, interpreterOf, type ProgramPlace, readHead } from './programFile.js';

/** Why a program can't be started. */
export interface Unfit {
  readonly text: string;
  readonly isMissing: boolean;
}

/**
 * Looks beforehand for what the kernel would say of a program: where a shell executes it, that comes too late, as an exit code that the program
 * itself may end with. What only lists of access rights forbid is not seen.
 */
export function unfitFor(
  program: string,
  place: ProgramPlace,
  identity: Identity | undefined,
): Unfit | undefined {
  const file = findProgram(program, place);
  if (file === undefined) {
    return filesOf(program, place).some((each) => existsSync(each))
      ? { text: forbiddenProgram(program, place), isMissing: false }
      : { text: missingProgram(program, place), isMissing: true };
  }
  const head = readHead(file);
  const interpreter = head === undefined ? undefined : interpreterOf(head);
  if (interpreter !== undefined && !existsSync(resolve(place.cwd, interpreter)))
    return { text: missingProgram(program, place), isMissing: true };
  return identity === undefined || mayExecute(file, place.cwd, identity)
    ? undefined
    : { text: `"${program}" may not be executed by that user`, isMissing: false };
}

/** It works in a directory to which it need not come by its path. */
function mayExecute(file: string, cwd: string, identity: Identity): boolean {
  const may = (path: string): boolean => mayDo(identity, statSync(path), 1);
  const mayCome = (path: string): boolean => {
    const parent = dirname(path);
    return parent === path || parent === cwd ? may(parent) : may(parent) && mayCome(parent);
  };
  const real = realpathSync(file);
  return may(real) && mayCome(real) && mayCome(file);
}
