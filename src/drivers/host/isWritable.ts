import { closeSync, constants, openSync } from 'node:fs';

/** Whether this process may write to a file. Asked of the system as whom it acts by now. */
export const isWritable = (path: string): boolean => {
  try {
    closeSync(openSync(path, constants.O_WRONLY));
    return true;
  } catch {
    return false;
  }
};
