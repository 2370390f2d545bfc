import { devNull } from 'node:os';
import { firstValueFrom, from, lastValueFrom, map, merge, mergeMap, Observable, Subject, timer } from 'rxjs';
import type { CheckOutcome, CheckProgram } from '../../lifecycle/checkProgram.js';
import type { LaunchPlan } from '../driver.js';
import { createControlGroup } from '../host/controlGroup.js';
import type { MachinePort } from '../host/machinePorts.js';
import { createProcessGroup } from '../host/processGroup.js';
import { createSlots } from '../host/slots.js';
import type { Spawner, Started } from '../host/spawner.js';
import type { InheritEnv } from './environmentOf.js';
import { startProcess } from './startProcess.js';

/** Runs the programs by which instances are checked. */
export interface ProcessChecks {
  /** {@link Machine.check} of a machine with these ports, as long as that is there. */
  run(plan: LaunchPlan, ports: readonly MachinePort[], program: CheckProgram): Observable<CheckOutcome>;
  /** Ends what still runs for a home, or for all. */
  end(home?: string): Promise<void>;
}

/** How many programs run at a time; the time of the others begins when they do. */
const mostAtOnce = 64;

interface Running {
  readonly home: string;
  readonly stop: () => void;
  readonly work: Promise<void>;
}

/**
 * Creates {@link ProcessChecks}. What they run is started like the program of the instance, with its name in the environment, by a spawner
 * that kills it when this process is gone.
 */
export function createProcessChecks(spawner: Spawner, inheritEnv: InheritEnv | undefined): ProcessChecks {
  const slots = createSlots(mostAtOnce);
  const running = new Set<Running>();

  const start = (
    { home, instanceId, name, spec }: LaunchPlan,
    ports: readonly MachinePort[],
    { command, cwd = spec.cwd }: CheckProgram,
  ): Promise<Started> => {
    const { cwd: _, ...others } = spec;
    const asked = { ...others, entrypoint: command, cmd: [], ...(cwd !== undefined && { cwd }) };
    return startProcess(spawner, { home, instanceId, name, spec: asked }, devNull, { inheritEnv, ports });
  };

  return {
    run: (plan, ports, program) =>
      new Observable((subscriber) => {
        const stop$ = new Subject<'stopped'>();

        const check = async (): Promise<void> => {
          if (subscriber.closed) return;
          const starting = start(plan, ports, program);
          const ended$ = from(starting).pipe(mergeMap((started) => started.ended$));
          const late$ = timer(program.timeoutMs).pipe(map(() => 'late' as const));
          const end = await firstValueFrom(merge(ended$, late$, stop$));
          if (typeof end === 'string') await kill(await starting);
          if (end === 'late') subscriber.next({ code: null, signal: 'SIGKILL', timedOut: true });
          else if (end !== 'stopped') subscriber.next({ code: end.code, signal: end.signal });
        };

        const work = slots.run(check).then(
          () => {
            subscriber.complete();
          },
          (error: unknown) => {
            subscriber.error(error);
          },
        );
        const stop = (): void => {
          subscriber.complete();
        };
        const it = { home: plan.home, stop, work };
        running.add(it);
        void work.then(() => running.delete(it));
        return () => {
          stop$.next('stopped');
        };
      }),

    end: async (home) => {
      const asked = [...running].filter((one) => home === undefined || one.home === home);
      for (const { stop } of asked) stop();
      await Promise.all(asked.map(({ work }) => work));
    },
  };
}

/** Kills a program with all that it has started, and waits until that is done. */
async function kill({ pid, startTime, group, ended$ }: Started): Promise<void> {
  const controlGroup = group === undefined ? undefined : createControlGroup(group);
  await lastValueFrom(createProcessGroup({ pid, startTime }, controlGroup).end(), {
    defaultValue: undefined,
  });
  await firstValueFrom(ended$);
}
