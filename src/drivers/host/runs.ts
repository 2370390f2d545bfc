import { basename } from 'node:path';
import { catchError, concat, defer, lastValueFrom, type Observable, ReplaySubject } from 'rxjs';
import type { Exit } from '../../lifecycle/instance.js';
import { createEndWatch } from './endWatch.js';
import type { LogFiles } from './logFiles.js';
import { createProcessGroup } from './processGroup.js';
import { findProcess, type ProcessHandle } from './processHandle.js';
import { processTable } from './processTable.js';
import { exitOf, homeIdOf, readRun, runPathOf } from './runRecord.js';
import { createSpawner, type Spawner, type Started } from './spawner.js';
import type { Keep } from './spawnerProgram.js';

/** A process that is the machine of a home. */
export interface Run {
  readonly handle: ProcessHandle;
  /** Emits how it ended, once it has; to late subscribers too. */
  readonly ended$: Observable<Exit>;
  /** Lets it run on, and Node end before it does. */
  detach(): void;
}

/** How to start the process of a home. */
export interface RunPlan {
  readonly home: string;
  /** The instance's log, at whose end the run begins. */
  readonly log: Pick<LogFiles, 'end'>;
  /** Whether it runs on when this process ends; otherwise it is killed then. */
  readonly outlives: boolean;
  start(spawner: Spawner, keep: Keep | undefined): Promise<Started>;
}

/** Starts the processes of homes, one of each at a time, and finds them again. */
export interface Runs {
  start(plan: RunPlan): Promise<Run>;
  /** The process of a handle, or how it ended. Fails when nobody can tell any more, and for one of another home. */
  find(home: string, handle: ProcessHandle): Promise<Run | Exit>;
  /** Ends what was started in a home and still runs, with all that it started. */
  reclaim(home: string): Promise<void>;
  /** Lets go of what it holds besides processes. */
  close(): Promise<void>;
}

/**
 * Creates {@link Runs} that look every `pollMs` whether a process still runs of whose end nobody tells. The spawner may start
 * other things too, until they are closed.
 */
export function createRuns(pollMs: number, spawner: Spawner = createSpawner()): Runs {
  const watch = createEndWatch(pollMs);

  /** Its spawner writes down how it ended, or did so. */
  const endOf = (home: string, handle: ProcessHandle): Observable<Exit> =>
    concat(
      watch.ended(handle),
      defer(() => exitOf(home, handle)),
    );

  const runOf = (handle: ProcessHandle, end$: Observable<Exit>, forget?: () => void): Run => {
    const ended$ = new ReplaySubject<Exit>(1);
    const looking = end$.subscribe(ended$);
    return {
      handle,
      ended$,
      detach: () => {
        looking.unsubscribe();
        forget?.();
      },
    };
  };

  return {
    start: async ({ home, log, outlives, start }) => {
      const [bootId, homeId, logStart] = await Promise.all([
        processTable.bootId(),
        homeIdOf(home),
        log.end(),
      ]);
      const rest = { bootId, logStart, home: homeId };
      const keep = outlives ? { path: runPathOf(home), handle: rest } : undefined;
      const { pid, startTime, ended$, forget } = await start(spawner, keep);
      const handle = { pid, startTime, ...rest };
      // Without the spawner nobody is told of the end, but it can still be seen.
      return runOf(handle, ended$.pipe(catchError(() => endOf(home, handle))), forget);
    },

    find: async (home, handle) => {
      if (handle.home !== (await homeIdOf(home))) throw new Error('the process is of another home');
      if ((await findProcess(handle)) !== undefined) return runOf(handle, endOf(home, handle));
      const exit = await exitOf(home, handle);
      if (exit.code === null && exit.signal === null) throw new Error('the process has ended');
      return exit;
    },

    reclaim: async (home) => {
      const run = await readRun(home);
      if (run === undefined || run.exit !== undefined) return;
      const group = createProcessGroup(run.handle.pid);
      if (await hasLeft(home, run.handle)) {
        group.signal('SIGKILL');
        await lastValueFrom(group.ended(), { defaultValue: undefined });
      }
      // Nobody writes into the home any more after that.
      await exitOf(home, run.handle);
    },

    close: () => spawner.close(),
  };
}

/**
 * Whether something is left of the group of a process. While it is, nobody else is given the pid; where nobody has that, the
 * group may be another's by now, which had it and ended too: that it is ours its environment tells.
 */
async function hasLeft(home: string, { pid, startTime, bootId }: ProcessHandle): Promise<boolean> {
  if ((await processTable.bootId()) !== bootId) return false;
  const leader = await processTable.find(pid);
  if (leader !== undefined) return leader.startTime === startTime;
  const members = await processTable.group(pid);
  const environments = await Promise.all(members.map((member) => processTable.environment(member.pid)));
  return environments.flat().includes(`INSTANCE_ID=${basename(home)}`);
}
