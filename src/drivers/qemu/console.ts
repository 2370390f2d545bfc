import { closeSync, constants, fstatSync, openSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { lastValueFrom, type Observable, ReplaySubject, takeUntil, timer } from 'rxjs';
import { createLogFiles, type LogFiles } from '../host/logFiles.js';
import { vmPaths } from './vmPaths.js';

/**
 * Serves the console of a virtual machine at the socket in its home to whoever connects, until the returned function is called.
 * What is said there goes to the guest. What the guest says comes from its log, from the connection on: whoever stalls falls
 * behind and misses nothing that is still kept, and neither the guest nor another reader waits for him.
 *
 * A QEMU that an earlier version has started serves that socket itself, and is left alone.
 */
export function serveConsole(home: string, pollMs: number): () => void {
  const opened = openInput(home);
  if (opened === undefined) return () => undefined;
  closeSync(opened);
  const over$ = new ReplaySubject<void>(1);
  const path = join(home, vmPaths.serialSocket);
  // A manager that was killed has left it.
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    void serve(socket, home, pollMs, over$);
  });
  // The machine runs without it too, and whoever connects sees that nobody answers.
  server.on('error', () => undefined);
  server.on('listening', () => {
    // As far as that is needed: only the manager's user, and QEMU's, enter the home.
    chmod(path, 0o600).catch(() => undefined);
  });
  server.listen({ path, exclusive: true });
  server.unref();
  return () => {
    server.close();
    over$.next();
  };
}

async function serve(socket: Socket, home: string, pollMs: number, over$: Observable<void>): Promise<void> {
  const log = createLogFiles(home);
  const start = await log.end().catch(() => undefined);
  const opened = openInput(home);
  // Whoever connects may be gone by now, or the machine.
  if (start === undefined || opened === undefined) {
    if (opened !== undefined) closeSync(opened);
    socket.destroy();
    return;
  }
  const input = new Socket({ fd: opened, readable: false, writable: true });
  const output = Readable.from(bytesFrom(log, { start, pollMs, over$ }), { objectMode: false });
  for (const stream of [socket, input, output]) {
    stream.on('error', () => {
      socket.destroy();
    });
  }
  // Nobody who stalls keeps the process from its end.
  socket.unref();
  input.unref();
  socket.pipe(input);
  output.pipe(socket);
  const over = over$.subscribe(() => {
    input.destroy();
    if (socket.writableNeedDrain) socket.destroy();
  });
  socket.once('close', () => {
    over.unsubscribe();
    output.destroy();
    input.end();
  });
}

/** What the guest reads is a pipe that QEMU holds open; without a QEMU there is none. */
function openInput(home: string): number | undefined {
  const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  try {
    const fd = openSync(join(home, vmPaths.consoleInput), O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
    if (fstatSync(fd).isFIFO()) return fd;
    closeSync(fd);
  } catch {
    // QEMU has ended, or never had one.
  }
  return undefined;
}

interface Place {
  readonly start: number;
  readonly pollMs: number;
  readonly over$: Observable<void>;
}

/** What is written to a log from a place on, as fast as it is taken. Once it is over, what is there by then. */
async function* bytesFrom(log: LogFiles, { start, pollMs, over$ }: Place): AsyncGenerator<Buffer> {
  let isOver = false;
  const over = over$.subscribe(() => (isOver = true));
  const pause = (): Promise<unknown> =>
    lastValueFrom(timer(pollMs).pipe(takeUntil(over$)), { defaultValue: undefined });
  try {
    for (let place = start, readTo: string | undefined; ;) {
      const [wasOver, mark] = [isOver, log.mark()];
      // Most looks find nothing.
      const { bytes, next } =
        mark === readTo ? { bytes: Buffer.alloc(0), next: place } : await log.read(place);
      readTo = bytes.length === 0 && next === place ? mark : undefined;
      place = next;
      if (bytes.length > 0) yield bytes;
      else if (wasOver) return;
      else await pause();
    }
  } finally {
    over.unsubscribe();
  }
}
