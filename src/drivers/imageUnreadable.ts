import { LaunchFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';

/** The failure when the directory of an image cannot be read, or another one that a request names. */
export const imageUnreadable = (path: string, error: unknown, what = 'image'): LaunchFailed =>
  new LaunchFailed({ reason: reasonOf(`${what} ${path}`, error) }, { cause: error });

function reasonOf(it: string, error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `there is no ${it}`;
    case 'ENOTDIR':
      return `the ${it} is no directory`;
    case 'ELOOP':
      return `the ${it} is a loop of links`;
    case 'EACCES':
      return `the ${it} may not be read`;
    default:
      return `the ${it} cannot be read: ${messageOf(error)}`;
  }
}
