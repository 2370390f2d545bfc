import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What a {@link OwnDisk} is asked for, and what that takes. */
export type Call = readonly [name: string, ...args: readonly unknown[]];

/** What a call gave, or the fields of its error. */
export interface Answer<T = unknown> {
  readonly value?: T;
  readonly failure?: Readonly<Record<string, unknown>>;
}

/** A program whose folder is a disk of its own. */
export interface OwnDisk {
  call<T>(...call: Call): Promise<Answer<T>>;
  /** Kills the program, with which the disk goes. */
  end(): Promise<unknown>;
}

/** Nobody else sees what is mounted so. Who may not mount may do so in a world of his own. */
const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];

/**
 * Starts a program with a disk of so many MiB at a folder.
 *
 * @throws as a rejection, with what the system says, where no disk can be mounted
 */
export async function startOnOwnDisk(program: string, folder: string, mebibytes: number): Promise<OwnDisk> {
  const script = 'mount -t tmpfs -o "size=$2m" tmpfs "$1" && exec "$3" "$4" "$1"';
  const args = ['sh', '-c', script, 'sh', folder, String(mebibytes), process.execPath, program];
  const child = spawn('unshare', [...asRoot, '--mount', ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const ended = once(child, 'exit');
  const lost = ended.then(() => {
    throw new Error(`no disk of its own; that takes the right to "unshare --mount" and to mount: ${said}`);
  });
  const told = (): Promise<unknown> =>
    Promise.race([once(child, 'message').then(([answer]) => answer as unknown), lost]);
  await told();
  return {
    call: async <T>(...call: Call): Promise<Answer<T>> => {
      child.send(call);
      return (await told()) as Answer<T>;
    },
    end: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}
