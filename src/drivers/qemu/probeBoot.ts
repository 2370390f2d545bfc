import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { firstValueFrom, from, fromEvent, map, merge } from 'rxjs';
import type { Image } from './image.js';

/** How to start a kernel to see whether it comes up. */
export interface ProbeBootOptions {
  readonly accel: 'kvm' | 'tcg';
  /** How long it may be silent, in milliseconds. */
  readonly timeoutMs: number;
  /** Name or path of QEMU. */
  readonly program: string;
}

/**
 * Starts a kernel and tells whether it says anything on its serial line in time; nothing is left of it then. Rejects when
 * QEMU cannot be run.
 */
export async function probeBoot(
  { kernel, memoryMiB }: Pick<Image, 'kernel' | 'memoryMiB'>,
  { accel, timeoutMs, program }: ProbeBootOptions,
): Promise<boolean> {
  // Not a timer here: a machine whose processor hangs would outlive this process, should that be killed meanwhile.
  const limit = ['--signal=KILL', String(timeoutMs / 1_000)];
  const machine = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-machine', 'pc'];
  const processor = ['-accel', accel, '-cpu', 'max', '-m', `${String(memoryMiB)}M`];
  const boot = ['-serial', 'stdio', '-kernel', kernel, '-append', 'earlyprintk=ttyS0 console=ttyS0 panic=-1'];
  const child = spawn('timeout', [...limit, program, ...machine, ...processor, ...boot], {
    cwd: '/',
    // In a group of its own, so that both can be killed.
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // Not before QEMU has ended too, which has the other end of the pipe.
  const ended = once(child, 'close');
  const says$ = fromEvent(child.stdout, 'data').pipe(map(() => true));
  const ends$ = from(ended).pipe(
    map(([code]) => {
      if (code === notFound) throw new Error(`there is no ${program}`);
      return false;
    }),
  );
  try {
    return await firstValueFrom(merge(says$, ends$));
  } finally {
    if (child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    await ended;
  }
}

/** What `timeout` exits with when there is no such program. */
const notFound = 127;

function killGroup(leader: number | undefined): void {
  // It was never there.
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
