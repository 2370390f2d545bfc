import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { firstValueFrom, fromEvent, race, ReplaySubject, Subject, timer } from 'rxjs';

/** What a server holds. */
export interface Held {
  readonly connections: number;
  /** What keeps its process alive. */
  readonly resources: readonly string[];
  readonly subscribers: Readonly<Record<string, number>>;
  /** What waits in queues. */
  readonly queued: number;
  readonly heapMiB: number;
  readonly rssMiB: number;
}

/** What the process of the servers says. */
export type Word =
  | Serving
  | { readonly kind: 'holds'; readonly held: Held }
  | { readonly kind: 'closed' }
  /** What nobody caught, or a warning. */
  | { readonly kind: 'trouble'; readonly text: string }
  | { readonly kind: 'logged'; readonly text: string };

interface Serving {
  readonly kind: 'serving';
  /** Of the one that takes no token, and of the one that wants one. */
  readonly ports: readonly [number, number];
  readonly tokens: readonly string[];
}

/** Servers in a process of their own. */
export interface FuzzServer {
  readonly serving: Serving;
  /** What went wrong within it. */
  readonly troubles: readonly string[];
  /** The last lines of its log. */
  readonly log: readonly string[];
  isAlive(): boolean;
  look(): Promise<Held>;
  /** Closes it, and tells whether its process has then ended by itself. */
  close(): Promise<boolean>;
  kill(): void;
}

/** How long a process has to end that nothing keeps alive. */
const endMs = 30_000;

/** Starts the compiled form of the program that serves. */
export async function startFuzzServer(program: string): Promise<FuzzServer> {
  const child = spawn(process.execPath, ['--expose-gc', program], { stdio: ['pipe', 'pipe', 'pipe'] });
  const [troubles, log]: [string[], string[]] = [[], []];
  const serving$ = new ReplaySubject<Serving>(1);
  const held$ = new Subject<Held>();
  child.stderr.on('data', (chunk: Buffer) => troubles.push(chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.on('exit', () => {
    held$.error(new Error(`the server has ended\n${troubles.join('\n')}`));
  });
  createInterface(child.stdout).on('line', (line) => {
    const word = JSON.parse(line) as Word;
    if (word.kind === 'serving') serving$.next(word);
    else if (word.kind === 'holds') held$.next(word.held);
    else if (word.kind === 'trouble') troubles.push(word.text);
    else if (word.kind === 'logged') log.push(word.text);
    log.splice(0, log.length - 5);
  });
  const tell = (word: string): void => {
    child.stdin.write(`${word}\n`);
  };
  const serving = await Promise.race([
    firstValueFrom(serving$),
    once(child, 'exit').then(() => {
      throw new Error(`the server did not come up\n${troubles.join('\n')}`);
    }),
  ]);
  return {
    serving,
    troubles,
    log,
    isAlive: () => !hasEnded(child),
    look: () => {
      const next = firstValueFrom(held$);
      tell('look');
      return next;
    },
    close: async () => {
      tell('close');
      child.stdin.end();
      if (!hasEnded(child)) await firstValueFrom(race(fromEvent(child, 'exit'), timer(endMs)));
      return child.exitCode === 0;
    },
    kill: () => child.kill('SIGKILL'),
  };
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;
