import { LaunchFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';

/** What is told when the directory of an image cannot be read. */
export const imageUnreadable = (image: string, error: unknown): LaunchFailed =>
  new LaunchFailed(reasonOf(image, error), { cause: error });

function reasonOf(image: string, error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `there is no image ${image}`;
    case 'ENOTDIR':
      return `the image ${image} is no directory`;
    case 'ELOOP':
      return `the image ${image} is a loop of links`;
    case 'EACCES':
      return `the image ${image} may not be read`;
    default:
      return `the image ${image} cannot be read: ${messageOf(error)}`;
  }
}
