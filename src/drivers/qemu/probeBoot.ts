import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defer, filter, firstValueFrom, lastValueFrom, map, merge, repeat } from 'rxjs';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { createProcessGroup } from '../host/processGroup.js';
import type { Spawner } from '../host/spawner.js';
import { type Confinement, confinementArgs } from './confinement.js';
import type { Image } from './image.js';
import { missing } from './programs.js';

/** How to start a kernel to see whether it comes up. */
export interface ProbeBootOptions {
  readonly accel: 'kvm' | 'tcg';
  /** How long it may be silent, in milliseconds. */
  readonly timeoutMs: number;
  /** Name or path of QEMU. */
  readonly program: string;
  readonly version: string;
  readonly confinement: Confinement;
  readonly spawner: Spawner;
}

const lookEveryMs = 10;

/**
 * Starts a kernel and finds out whether it says anything on its serial line in time; nothing is left of it then. Rejects when
 * QEMU cannot be run.
 */
export async function probeBoot(
  { kernel, memoryMiB }: Pick<Image, 'kernel' | 'memoryMiB'>,
  { accel, timeoutMs, program, version, confinement, spawner }: ProbeBootOptions,
): Promise<boolean> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'rx-instances-')));
  const said = join(folder, 'said');
  // Not a timer here: a machine whose processor hangs would outlive this process, should that be killed meanwhile.
  const limit = ['--signal=KILL', String(timeoutMs / 1_000)];
  const machine = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-machine', 'pc'];
  const processor = ['-accel', accel, '-cpu', 'max', '-m', `${String(memoryMiB)}M`];
  const boot = ['-kernel', kernel, '-append', 'earlyprintk=ttyS0 console=ttyS0 panic=-1'];
  const line = ['-chardev', 'file,id=line,path=said', '-serial', 'chardev:line'];
  const args = [...machine, ...processor, ...line, ...boot, ...confinementArgs(version, confinement)];
  try {
    const started = await spawner.start({
      program: 'timeout',
      args: [...limit, program, ...args],
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '' },
      output: join(folder, 'vmm'),
    });
    const says$ = defer(() => stat(said).catch(() => ({ size: 0 }))).pipe(
      repeat({ delay: lookEveryMs }),
      filter(({ size }) => size > 0),
      map(() => true),
    );
    const ends$ = started.ended$.pipe(
      map(({ code }) => {
        if (code === notFound) throw new LaunchFailed({ reason: missing(program) });
        return false;
      }),
    );
    try {
      return await firstValueFrom(merge(ends$, says$));
    } finally {
      createProcessGroup(started).signal('SIGKILL');
      await lastValueFrom(started.ended$);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What `timeout` exits with when there is no such program. */
const notFound = 127;
