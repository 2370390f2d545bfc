import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Subject, switchMap, takeUntil, timer } from 'rxjs';
import type { ManagerUser } from './attacksOn.js';
import { eventually } from './eventually.js';
import { asNobody, isRoot, kill, nobody, processesNaming, removeAll } from './ground.js';

/** What the process says in which attacks are played. */
export type Word =
  | { readonly kind: 'begins'; readonly name: string }
  | { readonly kind: 'ends'; readonly name: string; readonly finding?: string };

/** What came of an attack. */
export interface Outcome {
  readonly name: string;
  /** What got through; nothing when the attack came to nothing. */
  readonly finding?: string;
}

/** How attacks are played. */
export interface PlayOptions {
  /** Their names. */
  readonly names: readonly string[];
  /** The compiled form of the program that plays them. */
  readonly program: string;
  /** As whom the manager runs. */
  readonly user: ManagerUser;
  readonly rounds: number;
  /** How long one attack may take: what takes longer has stopped the manager. */
  readonly patienceMs: number;
  readonly onOutcome: (outcome: Outcome) => void;
}

/**
 * Plays attacks one after another in a process of their own, that of the manager. One that stops or ends that process is a
 * finding, and the next one begins in another.
 */
export async function playAttacks(options: PlayOptions): Promise<void> {
  const { user, names, onOutcome } = options;
  if (user === 'nobody' && !isRoot) throw new Error('only the superuser becomes somebody else');
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  // Other users come as far as that, where the folder above it is ours.
  if (statSync(tmpdir()).uid === process.getuid?.() && (statSync(tmpdir()).mode & 0o001) === 0) {
    chmodSync(tmpdir(), 0o711);
  }
  chmodSync(folder, 0o711);
  if (user === 'nobody') chownSync(folder, nobody, nobody);
  try {
    let left = names;
    while (left.length > 0) {
      const done = new Set<string>();
      await playIn(folder, { ...options, names: left }, (outcome) => {
        done.add(outcome.name);
        onOutcome(outcome);
      });
      left = left.filter((name) => !done.has(name));
    }
  } finally {
    removeAll(folder);
  }
}

/** Plays them until they are done, or one of them has ended the process. */
async function playIn(
  folder: string,
  { names, program, user, rounds, patienceMs }: PlayOptions,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const command = [
    ...(user === 'nobody' ? asNobody : []),
    process.execPath,
    resolve(program),
    String(rounds),
  ];
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, HOME: folder, TMPDIR: folder },
  });
  const words: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => words.push(chunk.toString('utf8')));
  child.stdin.on('error', () => undefined);
  child.stdin.end(names.map((name) => `${name}\n`).join(''));

  const watched = watch(child, patienceMs);
  let current: string | undefined;
  for await (const line of createInterface(child.stdout)) {
    const word = JSON.parse(line) as Word;
    watched.heard();
    if (word.kind === 'begins') current = word.name;
    else {
      current = undefined;
      onOutcome(word);
    }
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  watched.end();
  if (current === undefined && child.exitCode === 0) return;
  await clearUp(folder);
  const how = watched.isKilled()
    ? 'the manager was stopped'
    : `the process of the manager ended (${String(child.exitCode ?? child.signalCode)})`;
  const finding = `${how}\n${words.join('').slice(0, 1_500)}`.trim();
  if (current === undefined) throw new Error(finding);
  onOutcome({ name: current, finding });
}

/** Kills a process that says nothing for too long. */
function watch(child: ChildProcess, patienceMs: number) {
  const heard$ = new Subject<void>();
  const ended$ = new Subject<void>();
  let isKilled = false;
  heard$
    .pipe(
      switchMap(() => timer(patienceMs)),
      takeUntil(ended$),
    )
    .subscribe(() => {
      isKilled = true;
      child.kill('SIGKILL');
    });
  heard$.next();
  return {
    heard: () => {
      heard$.next();
    },
    end: () => {
      ended$.next();
    },
    isKilled: () => isKilled,
  };
}

/** Ends what an attack has left that could not end it itself. */
async function clearUp(folder: string): Promise<void> {
  await eventually(
    () => {
      const left = processesNaming(folder);
      for (const pid of left) kill(pid);
      return left;
    },
    ({ length }) => length === 0,
    'what the attack has started is still there',
  );
  for (const name of readdirSync(folder)) removeAll(join(folder, name));
}
