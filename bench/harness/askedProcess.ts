import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { NotRun } from './bench.js';

/** A process of a bench that does what it is asked over IPC, one thing after another. */
export interface AskedProcess<Question> {
  readonly pid: number;
  ask(question: Question): Promise<number>;
  end(): void;
}

interface Answer {
  readonly figure?: number;
  readonly failure?: string;
}

const node = ['--expose-gc', '--require', 'ts-node/register'];

/** Starts a program of the harness. */
export function startAsked<Question extends object>(program: string): AskedProcess<Question> {
  return askedBy(fork(join(__dirname, program), [], { execArgv: node }));
}

/** What is to be sent takes 64 KiB at most in a socket: with the buffers of a host, some MiB, nobody would be slow before seconds have gone. */
const smallBuffers = `
ip link set lo up &&
echo 4096 16384 65536 >/proc/sys/net/ipv4/tcp_wmem &&
echo 4096 65536 4194304 >/proc/sys/net/ipv4/tcp_rmem`;

/** Starts it in a network of its own with small buffers. @throws {@link NotRun} where that can't be had */
export function startIsolated<Question extends object>(program: string): AskedProcess<Question> {
  const tried = spawnSync('unshare', ['--net', 'sh', '-c', smallBuffers]);
  if (tried.status !== 0) throw new NotRun('a network with small buffers is for root on Linux, with `ip`');
  return inNetwork(program, ['unshare', '--net', 'sh', '-c', `${smallBuffers} && exec "$@"`, 'sh']);
}

/** Starts it in the network of another one. */
export function startBeside<Question extends object>(
  program: string,
  { pid }: AskedProcess<object>,
): AskedProcess<Question> {
  return inNetwork(program, ['nsenter', '--target', String(pid), '--net']);
}

/** None of them forks: the process is that of the program, and its messages come here. */
function inNetwork<Question extends object>(
  program: string,
  [command = '', ...args]: readonly string[],
): AskedProcess<Question> {
  const all = [...args, process.execPath, ...node, join(__dirname, program)];
  return askedBy(spawn(command, all, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
}

function askedBy<Question extends object>(child: ChildProcess): AskedProcess<Question> {
  const gone = once(child, 'exit').then(([code, signal]: unknown[]): never => {
    throw new Error(`a process of the bench ended with ${String(code ?? signal)}`);
  });
  // Whoever asks hears of it.
  gone.catch(() => undefined);
  return {
    pid: child.pid ?? NaN,
    ask: async (question) => {
      const told = once(child, 'message');
      child.send(question);
      const [{ figure, failure }] = (await Promise.race([told, gone])) as [Answer];
      if (figure === undefined) throw new Error(failure ?? 'the process said nothing');
      return figure;
    },
    end: () => {
      if (process.env['BENCH_PROF']) child.disconnect();
      else child.kill('SIGKILL');
    },
  };
}

/** In such a process: answers what it is asked until nobody asks any more. */
export function answerAsked(answer: (question: never) => Promise<number>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (question) => {
    answer(question as never).then(
      (figure) => process.send?.({ figure } satisfies Answer),
      (error: unknown) => process.send?.({ failure: String((error as Error).stack) } satisfies Answer),
    );
  });
}
