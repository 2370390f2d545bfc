import type { Serializable } from 'node:child_process';

/** What to start. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File to which stdout and stderr are appended. */
  readonly logPath: string;
  /** A file that it gets open for reading, as its descriptor 3. */
  readonly handedPath?: string;
  /** Where to keep what runs and how it ended. What has it outlives the one that asked for it; what has not is killed then. */
  readonly keep?: Keep;
}

/** A file that tells which process is an instance's, and how it ended. */
export interface Keep {
  readonly path: string;
  /** What its handle holds besides what its spawner knows. */
  readonly handle: object;
}

/** What a spawner is told. */
export type Order =
  | { readonly kind: 'start'; readonly id: number; readonly command: Command }
  /** Lets a process run on whatever becomes of the one that asked for it, and tells of it no more. */
  | { readonly kind: 'forget'; readonly id: number };

/** What a spawner tells. */
export type Report =
  | { readonly kind: 'started'; readonly id: number; readonly pid: number; readonly startTime: string }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly message: string;
      readonly code: string | undefined;
      /** What it was about: the program, or a file. */
      readonly path: string | undefined;
    }
  | {
      readonly kind: 'ended';
      readonly id: number;
      readonly code: number | null;
      readonly signal: string | null;
    };

/**
 * The whole program of a spawner. It runs in a process of its own, to which nothing but its own text is handed: whatever
 * it uses is in it. When the one that it serves is gone, however that came, it kills what is not to outlive that one, and
 * ends once nothing that it has started is left.
 */
export function spawnerProgram(servedPid: number): void {
  const { execFileSync, spawn } = process.getBuiltinModule('node:child_process');
  const { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } =
    process.getBuiltinModule('node:fs');

  interface Child {
    readonly pid: number;
    outlives: boolean;
  }
  const children = new Map<number, Child>();

  const report = (it: Report): void => {
    // Whoever is gone needs no telling.
    if (process.connected) process.send?.(it satisfies Serializable, undefined, undefined, () => undefined);
  };

  const fail = (id: number, { message, code, path }: NodeJS.ErrnoException): void => {
    report({ kind: 'failed', id, message, code, path });
  };

  /** The kernel tells sooner than the channel. */
  const isAlone = (): boolean => process.ppid !== servedPid;

  const killGroup = (pid: number): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  };

  /** In the words of the process table. One that has ended is there until its end was heard of, in a later turn. */
  const startTimeOf = (pid: number): string => {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' }).trim();
    }
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  };
  const spawner = { pid: process.pid, startTime: startTimeOf(process.pid) };

  /** Whoever reads the file finds the one text or the other, never a part. */
  const write = (path: string, record: object): void => {
    const part = `${path}.new`;
    try {
      writeFileSync(part, JSON.stringify(record), { mode: 0o600 });
      renameSync(part, path);
    } catch (error) {
      rmSync(part, { force: true });
      throw error;
    }
  };

  /** The home may be gone by now, or another run's. */
  const keepExit = (path: string, run: { readonly handle: object }, exit: object): void => {
    try {
      const { handle } = JSON.parse(readFileSync(path, 'utf8')) as typeof run;
      if (JSON.stringify(handle) === JSON.stringify(run.handle)) write(path, { ...run, exit });
    } catch {
      // Then nobody will be able to tell how it ended.
    }
  };

  const start = (id: number, { program, args, cwd, env, logPath, handedPath, keep }: Command): void => {
    // Nobody could ever know of it.
    if (isAlone()) return;
    // Open within one turn only, so that a thousand starts at once hold one file open, not a thousand.
    const log = openSync(logPath, 'a', 0o600);
    let handed: number | undefined;
    try {
      if (handedPath !== undefined) handed = openSync(handedPath, 'r');
      const child = spawn(program, args, {
        cwd,
        env,
        detached: true,
        stdio: ['ignore', log, log, ...(handed === undefined ? [] : [handed])],
      });
      child.once('error', (error) => {
        fail(id, error);
      });
      const { pid } = child;
      if (pid === undefined) return;
      const known: Child = { pid, outlives: keep !== undefined };
      children.set(id, known);
      try {
        const startTime = startTimeOf(pid);
        const run = { handle: { pid, startTime, ...keep?.handle }, spawner };
        if (keep !== undefined) write(keep.path, run);
        child.once('exit', (code, signal) => {
          children.delete(id);
          // What it has left: whoever is told may be gone before it could see to that.
          killGroup(pid);
          if (keep !== undefined) keepExit(keep.path, run, { code, signal });
          report({ kind: 'ended', id, code, signal });
          endWhenDone();
        });
        // Looked at last: whoever looks for what the one that is gone has left finds all of it, or it is killed here.
        if (isAlone()) killGroup(pid);
        else report({ kind: 'started', id, pid, startTime });
      } catch (error) {
        children.delete(id);
        killGroup(pid);
        throw error;
      }
    } finally {
      closeSync(log);
      if (handed !== undefined) closeSync(handed);
    }
  };

  const endWhenDone = (): void => {
    if (!process.connected && children.size === 0) process.exit();
  };

  process.on('message', (order: Order) => {
    if (order.kind === 'forget') {
      const child = children.get(order.id);
      if (child !== undefined) child.outlives = true;
      return;
    }
    try {
      start(order.id, order.command);
    } catch (error) {
      fail(order.id, error as NodeJS.ErrnoException);
    }
  });

  process.on('disconnect', () => {
    for (const [id, { pid, outlives }] of [...children]) {
      if (outlives) continue;
      killGroup(pid);
      children.delete(id);
    }
    endWhenDone();
  });
}
