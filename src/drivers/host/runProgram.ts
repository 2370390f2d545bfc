import { spawn } from 'node:child_process';
import { EMPTY, timer } from 'rxjs';
import { inheritsNothing } from './inheritsNothing.js';

/** How to run a program. */
export interface ProgramOptions {
  /** @defaultValue `'/'` */
  readonly cwd?: string;
  /** How long it may take. @defaultValue as long as it does */
  readonly timeoutMs?: number;
}

/** What a program may say. */
const mostBytes = 1_024 * 1_024;

/**
 * Runs a program to its end, and resolves with what it wrote to its standard output. It inherits `PATH`, and nothing that this
 * process has open.
 *
 * Rejects with a system error when it cannot be started, else with what it said to its standard error, or how it ended; one that
 * takes too long or says too much is killed, with all that it has started.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd = '/', timeoutMs }: ProgramOptions = {},
): Promise<string> {
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
    // A group of its own, to be killed as one.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...inheritsNothing()],
  });
  let stopped: string | undefined;
  const stop = (reason: string): void => {
    stopped ??= reason;
    try {
      process.kill(-Number(child.pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  };
  const late$ = timeoutMs === undefined ? EMPTY : timer(timeoutMs);
  const late = late$.subscribe(() => {
    stop(`it has not ended within ${String(timeoutMs)} ms`);
  });
  const said = { stdout: '', stderr: '' };
  let bytes = 0;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > mostBytes) stop(`it said more than ${String(mostBytes)} bytes`);
      else said[name] += chunk.toString('utf8');
    });
  }
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (stopped !== undefined) reject(new Error(stopped));
        else if (code === 0) resolve(said.stdout);
        else reject(new Error(said.stderr.trim() || `it ended with ${String(code ?? signal)}`));
      });
    });
  } finally {
    late.unsubscribe();
  }
}
