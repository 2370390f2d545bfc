import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, from, lastValueFrom, mergeMap, Subject, take, takeUntil, timer } from 'rxjs';
import { kernelViewOf } from '../support/processes.js';
import { until } from '../support/until.js';
import { createAudit } from './audit.js';
import { createDice } from './dice.js';
import { openCrashManager } from './openCrashManager.js';
import { type Phase, phases, type Told } from './told.js';

/** How to run. */
export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  /** The compiled form of the program that is killed. */
  readonly program: string;
  /** Told after every round. */
  readonly onRound?: (report: CrashReport) => void;
}

/** What came of it. */
export interface CrashReport {
  readonly rounds: number;
  /** Kills before the manager was open. */
  readonly whileOpening: number;
  /** Processes of instances that were killed while no manager was there. */
  readonly killedMeanwhile: number;
  readonly verbs: number;
  readonly events: number;
  /** Kills on purpose at such a moment. */
  readonly inPhase: Readonly<Record<Phase, number>>;
  /** How often something was done by itself, by `action by, reason`. */
  readonly done: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
}

/** How long is waited for a moment to come. */
const phaseMs = 5_000;

/** Kills a manager again and again, and holds what it has left to the record from outside. */
export async function crashRun({ rounds, seed, program, onRound }: CrashOptions): Promise<CrashReport> {
  const dice = createDice(seed);
  const dataDir = realpathSync(mkdtempSync(join(tmpdir(), 'crash-')));
  const audit = createAudit(dataDir);
  const failures: string[] = [];
  const { done } = audit;
  const inPhase = Object.fromEntries(phases.map((phase) => [phase, 0])) as Record<Phase, number>;
  const counted = {
    rounds: 0,
    whileOpening: 0,
    killedMeanwhile: 0,
    verbs: 0,
    events: 0,
    inPhase,
    done,
    failures,
  };

  const start = (): ChildProcess =>
    fork(program, [dataDir, String(dice.below(2 ** 31))], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });

  /** The next one gets ready while this one works. */
  let next = start();
  for (; counted.rounds < rounds && failures.length === 0; counted.rounds += 1) {
    const child = next;
    const told$ = new Subject<Told>();
    const ended = once(child, 'exit');
    const words: Told['kind'][] = [];
    await once(child, 'message');
    child.on('message', (it: Told) => {
      words.push(it.kind);
      if (it.kind === 'done') counted.verbs += 1;
      if (it.kind === 'event') counted.events += 1;
      audit.hear(it);
      told$.next(it);
    });
    child.on('exit', () => {
      told$.complete();
    });
    // Some die while they open, others after so many words, and all a little later than that.
    const patience = dice.next() < 0.25 ? 0 : 1 + dice.below(120);
    const isPhase = patience > 0 && dice.next() < 0.6;
    const phase = isPhase ? dice.pick(phases) : undefined;
    const awaited$ =
      phase === undefined
        ? told$.pipe(
            filter(({ kind }) => kind !== 'phase'),
            take(patience),
          )
        : told$.pipe(
            filter((it) => it.kind === 'phase' && it.phase === phase),
            take(1),
            takeUntil(timer(phaseMs)),
          );
    const heard = lastValueFrom(awaited$, { defaultValue: undefined });
    child.send(phase === undefined ? 'go' : 'calm');
    if ((await heard)?.kind === 'phase' && phase !== undefined) inPhase[phase] += 1;
    // An idle clock is kept after a second.
    const most = phase === 'idle' ? 4_000 : 12;
    await lastValueFrom(timer(dice.below(patience === 0 ? 120 : most)).pipe(takeUntil(from(ended))), {
      defaultValue: 0,
    });
    if (child.exitCode !== null)
      failures.push(`the manager ended by itself with code ${String(child.exitCode)}`);
    if (counted.rounds + 1 < rounds) next = start();
    child.kill('SIGKILL');
    await ended;
    if (!words.includes('opened')) counted.whileOpening += 1;

    if (dice.next() < 0.5) {
      for (const pid of audit.leaders()) {
        if (dice.next() >= 0.1 || kernelViewOf(pid)?.group !== pid) continue;
        process.kill(pid, 'SIGKILL');
        counted.killedMeanwhile += 1;
      }
    }
    // Now and then the next one finds what two have left.
    const isLast = counted.rounds + 1 === rounds;
    if (isLast || dice.next() < 0.7) {
      const found = await audit.look();
      failures.push(...found.map((fault) => `round ${String(counted.rounds + 1)}: ${fault}`));
    }
    onRound?.({ ...counted, rounds: counted.rounds + 1 });
  }

  await end();
  return counted;

  /** Deletes all, and looks whether anything is left then. */
  async function end(): Promise<void> {
    next.kill('SIGKILL');
    const manager = await openCrashManager(dataDir);
    const instances = await firstValueFrom(manager.list());
    await lastValueFrom(from(instances).pipe(mergeMap(({ id }) => manager.delete(id), 16)), {
      defaultValue: undefined,
    });
    await manager.close();
    failures.push(...(await audit.look()).map((fault) => `in the end: ${fault}`));
    const left = await until(
      () => [...audit.spawners].filter((pid) => kernelViewOf(pid) !== undefined),
      ({ length }) => length === 0,
    );
    failures.push(...left.map((pid) => `the spawner ${String(pid)} is still there`));
    rmSync(dataDir, { recursive: true });
  }
}
