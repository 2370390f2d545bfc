import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Started } from './spawner.js';
import type { Streams } from './spawnerMessages.js';

/** The other ends of {@link Streams}, by name. */
export type OpenedStreams = Readonly<Partial<Record<Streams['names'][number], Socket>>>;

/**
 * Opens the ends of streams that are not those of the process. To be called once a spawner has started that, and before it is told so: what was written
 * by then is still in them, and an end is seen once nobody has them open there.
 */
export function openStreams({ pipes, names }: Streams, { streams }: Pick<Started, 'streams'>): OpenedStreams {
  const opened = new Map<string, Socket>();
  try {
    for (const [index, name] of names.entries())
      opened.set(name, openStream(streams?.[index] ?? join(pipes, name), name === 'stdin'));
  } catch (error) {
    for (const socket of opened.values()) socket.destroy();
    throw error;
  }
  return Object.fromEntries(opened);
}

function openStream(path: string, writable: boolean): Socket {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
  // Those without a name are reached by what looks like a link.
  const nofollow = path.startsWith('/proc/') ? 0 : O_NOFOLLOW;
  const fd = openSync(path, (writable ? O_WRONLY : O_RDONLY) | nofollow | O_NONBLOCK);
  const found = fstatSync(fd);
  if (found.isFIFO() && found.uid === process.geteuid?.())
    return new Socket({ fd, readable: !writable, writable });
  closeSync(fd);
  throw new Error(`${path} is not a pipe of this user`);
}
