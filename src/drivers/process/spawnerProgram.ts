import type { Serializable } from 'node:child_process';

/** What to start. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File to which stdout and stderr are appended. */
  readonly logPath: string;
}

/** What a spawner is told. */
export type Order =
  | { readonly kind: 'start'; readonly id: number; readonly command: Command }
  /** Lets a process run on whatever becomes of the spawner, and tells of it no more. */
  | { readonly kind: 'forget'; readonly id: number };

/** What a spawner tells. */
export type Report =
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly message: string;
      readonly code: string | undefined;
    }
  | {
      readonly kind: 'ended';
      readonly id: number;
      readonly code: number | null;
      readonly signal: string | null;
    };

/**
 * The whole program of a spawner. It runs in a process of its own, to which nothing but its own text is handed: whatever
 * it uses is in it. When the one that it serves is gone, however that came, it kills what it has started if `killOnEnd`,
 * and ends.
 */
export function spawnerProgram(killOnEnd: boolean): void {
  const { spawn } = process.getBuiltinModule('node:child_process');
  const { closeSync, openSync } = process.getBuiltinModule('node:fs');
  const children = new Map<number, ReturnType<typeof spawn>>();

  const report = (it: Report): void => {
    process.send?.(it satisfies Serializable);
  };

  const fail = (id: number, { message, code }: NodeJS.ErrnoException): void => {
    report({ kind: 'failed', id, message, code });
  };

  const start = (id: number, { program, args, cwd, env, logPath }: Command): void => {
    // Open within one turn only, so that a thousand starts at once hold one file open, not a thousand.
    const log = openSync(logPath, 'a', 0o600);
    try {
      const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
      child.once('error', (error) => {
        fail(id, error);
      });
      if (child.pid === undefined) return;
      children.set(id, child);
      report({ kind: 'started', id, pid: child.pid });
      child.once('exit', (code, signal) => {
        if (children.delete(id)) report({ kind: 'ended', id, code, signal });
      });
    } finally {
      closeSync(log);
    }
  };

  process.on('message', (order: Order) => {
    if (order.kind === 'forget') {
      children.delete(order.id);
      return;
    }
    try {
      start(order.id, order.command);
    } catch (error) {
      fail(order.id, error as NodeJS.ErrnoException);
    }
  });

  process.on('disconnect', () => {
    for (const { pid } of killOnEnd ? children.values() : []) {
      try {
        process.kill(-(pid as number), 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    process.exit();
  });
}
