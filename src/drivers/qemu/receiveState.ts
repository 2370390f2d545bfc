import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chown, rename, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { defer, endWith, finalize, forkJoin, mergeMap, noop, type Observable } from 'rxjs';
import type { QemuUser } from './qemuUser.js';

/** A state that lies in a file. */
export interface ReceivedState {
  readonly bytes: number;
  readonly sha256: string;
}

/** Where a state comes from, and where it goes. */
export interface StatePlace {
  /** Path of a socket at which one QEMU may connect; it is there only meanwhile. */
  readonly socket: string;
  readonly file: string;
  /** Whose QEMU it is, where it is not the manager's. */
  readonly user: QemuUser | undefined;
}

/**
 * Listens at a socket, subscribes to what has a QEMU send its state there, and emits once that has completed and all of it is in the
 * file: that gets its name only then. Fails with the first of what goes wrong here or there.
 *
 * QEMU itself starts no program for it, so that it need not be able to, and nothing but a descriptor is open in it.
 */
export const receiveState = (place: StatePlace, send$: Observable<never>): Observable<ReceivedState> =>
  defer(() => listen(place)).pipe(
    mergeMap(({ received, close }) =>
      forkJoin([received, send$.pipe(endWith(undefined))]).pipe(
        mergeMap(async ([state]) => {
          await rename(partOf(place), place.file);
          return state;
        }),
        finalize(close),
      ),
    ),
  );

const partOf = ({ file }: StatePlace): string => `${file}.part`;

interface Listener {
  readonly received: Promise<ReceivedState>;
  close(): void;
}

async function listen(place: StatePlace): Promise<Listener> {
  const { socket, user } = place;
  // Of a manager that was killed over it.
  await Promise.all([socket, partOf(place)].map((path) => rm(path, { force: true })));
  const server = createServer({ pauseOnConnect: true });
  let connection: Socket | undefined;
  const received = new Promise<ReceivedState>((resolve, reject) => {
    server.once('connection', (connected) => {
      connection = connected;
      // One QEMU connects, once.
      server.close();
      write(connected, partOf(place)).then(resolve, reject);
    });
  });
  // Whoever waits for it gets the failure.
  received.catch(noop);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  const close = (): void => {
    server.close();
    connection?.destroy();
  };
  try {
    if (user !== undefined) await chown(socket, user.uid, user.gid);
  } catch (error) {
    close();
    throw error;
  }
  return { received, close };
}

async function write(connection: Socket, path: string): Promise<ReceivedState> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(
    connection,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(path, { flags: 'wx', mode: 0o600 }),
  );
  return { bytes, sha256: hash.digest('hex') };
}
