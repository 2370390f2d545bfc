import { devNull } from 'node:os';
import { join } from 'node:path';
import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  merge,
  noop,
  Observable,
} from 'rxjs';
import { ExecFailed } from '../../lifecycle/errors.js';
import type { ExecExit, Execution, ExecProgram } from '../../lifecycle/execution.js';
import { unknownExit } from '../../lifecycle/instance.js';
import type { LaunchPlan } from '../driver.js';
import { createControlGroup } from '../host/controlGroup.js';
import type { MachinePort } from '../host/machinePorts.js';
import { openStreams } from '../host/openStreams.js';
import { createProcessGroup, type ProcessGroup } from '../host/processGroup.js';
import type { Spawner, Started } from '../host/spawner.js';
import type { Streams } from '../host/spawnerMessages.js';
import { createStreamedExecution, type StreamedExecution } from '../host/streamedExecution.js';
import type { InheritEnv } from './environmentOf.js';
import { startProcess } from './startProcess.js';

/** Runs programs beside those of instances. */
export interface ProcessExecs {
  /** {@link Machine.exec} of a machine with these ports, as long as that is there. */
  run(plan: LaunchPlan, ports: readonly MachinePort[], program: ExecProgram): Observable<Execution>;
  /** Halts what runs for a home, and what is started there until it is resumed. */
  halt(home: string): Observable<never>;
  resume(home: string): Observable<never>;
  /** Kills what runs for a home. What it has written can still be read. */
  kill(home: string): void;
  /** Kills what runs for a home, or for all, and resolves once nothing of it is left; what was not read by then is given up. */
  end(home?: string): Promise<void>;
}

interface Running {
  readonly home: string;
  isKilled: boolean;
  /** What runs, once it does. */
  group?: ProcessGroup;
  /** Settles once it is halted that was started in a halted home. */
  halting?: Promise<unknown>;
  execution?: StreamedExecution;
  work?: Promise<void>;
}

function kill(it: Running): void {
  it.isKilled = true;
  it.group?.end().subscribe({ error: noop });
}

/** Resumes what runs, and not before it is halted where that is under way: half of each would leave it so for ever. */
const resumed = ({ group, halting }: Running): Observable<never> =>
  concat(
    defer(async () => halting?.catch(noop)).pipe(ignoreElements()),
    defer(() => group?.resume() ?? EMPTY),
  );

/**
 * Creates {@link ProcessExecs}. What they run is started like the program of the instance, by a spawner that kills it when this process
 * is gone.
 */
export function createProcessExecs(spawner: Spawner, inheritEnv: InheritEnv | undefined): ProcessExecs {
  const running = new Set<Running>();
  const halted = new Set<string>();
  let count = 0;

  const runningIn = (home?: string): readonly Running[] =>
    [...running].filter((it) => home === undefined || it.home === home);

  const start = (
    plan: LaunchPlan,
    ports: readonly MachinePort[],
    { command, env, cwd }: ExecProgram,
    streams: Streams | undefined,
  ): Promise<Started> => {
    const { spec } = plan;
    const asked = { ...spec, entrypoint: command, cmd: [], env: { ...spec.env, ...env } };
    return startProcess(
      spawner,
      { ...plan, spec: cwd === undefined ? asked : { ...asked, cwd } },
      streams ?? devNull,
      {
        ...{ inheritEnv, ports },
        failed: (reason, cause, isMissing) =>
          new ExecFailed({ reason, code: isMissing ? 127 : 126 }, { cause }),
      },
    );
  };

  const run = async (
    it: Running,
    starting: (streams: Streams | undefined) => Promise<Started>,
    program: ExecProgram,
    emit: (execution: Execution) => void,
  ): Promise<void> => {
    const names = [
      ...(program.hasInput ? (['stdin'] as const) : []),
      ...(program.hasOutput ? (['stdout', 'stderr'] as const) : []),
    ];
    const streams =
      names.length === 0 ? undefined : { pipes: join(it.home, `exec-${String((count += 1))}`), names };
    const started = await starting(streams);
    const controlGroup = started.group === undefined ? undefined : createControlGroup(started.group);
    const group = createProcessGroup(started, controlGroup);
    it.group = group;
    const ended = endOf(started, group);
    try {
      const opened = streams === undefined ? {} : openStreams(streams, started);
      started.opened();
      if (it.isKilled) kill(it);
      else if (halted.has(it.home)) {
        it.halting = done(group.halt());
        await it.halting;
      }
      it.execution = createStreamedExecution({
        ...{ streams: opened, ended },
        kill: () => {
          kill(it);
        },
      });
      emit(it.execution);
    } catch (error) {
      started.opened();
      kill(it);
      throw error;
    } finally {
      await ended;
      await it.execution?.over;
    }
  };

  return {
    run: (plan, ports, program) =>
      new Observable((subscriber) => {
        const it: Running = { home: plan.home, isKilled: false };
        running.add(it);
        const work = run(
          it,
          (streams) => start(plan, ports, program, streams),
          program,
          (execution) => {
            // Nobody is there any more to read it.
            if (subscriber.closed) it.execution?.close();
            subscriber.next(execution);
          },
        );
        it.work = work.then(
          () => {
            subscriber.complete();
          },
          (error: unknown) => {
            subscriber.error(error);
          },
        );
        void it.work.then(() => running.delete(it));
        return () => {
          kill(it);
          it.execution?.close();
        };
      }),
    halt: (home) =>
      defer(() => {
        halted.add(home);
        return merge(...runningIn(home).flatMap(({ group }) => (group === undefined ? [] : group.halt())));
      }),
    resume: (home) =>
      defer(() => {
        halted.delete(home);
        return merge(...runningIn(home).map(resumed));
      }),
    kill: (home) => {
      for (const it of runningIn(home)) kill(it);
    },
    end: async (home) => {
      const asked = runningIn(home);
      for (const it of asked) {
        kill(it);
        it.execution?.close();
      }
      for (const { work } of asked) await work;
      if (home !== undefined) halted.delete(home);
    },
  };
}

const done = (work$: Observable<never>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined });

/** Resolves with how a program ended, once nothing is left of it. Without its spawner nobody knows. */
async function endOf({ ended$ }: Started, group: ProcessGroup): Promise<ExecExit> {
  const { code, signal, oomKilled } = await firstValueFrom(ended$).catch(() => unknownExit);
  await done(group.end()).catch(noop);
  return { code, signal, ...(oomKilled && { oomKilled }) };
}
