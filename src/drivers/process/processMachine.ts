import { concat, defer, EMPTY, map, merge, mergeMap, type Observable, of, take, timer } from 'rxjs';
import type { Execution, ExecProgram } from '../../lifecycle/execution.js';
import type { ExitStatus, InstanceSpec, Readiness } from '../../lifecycle/instance.js';
import type { Machine, Ports } from '../driver.js';
import { completeAfter } from '../host/completeAfter.js';
import type { LogFiles, LogLimits } from '../host/logFiles.js';
import { listensOn } from '../host/listensOn.js';
import { portsAt } from '../host/machinePorts.js';
import { processTable } from '../host/processTable.js';
import { readinessOf } from '../host/readinessOf.js';
import { isDeadly, signalOf } from '../host/realTimeSignals.js';
import type { Run } from '../host/runs.js';
import { watchRun } from '../host/watchRun.js';

/** What a process machine is made of. */
export interface ProcessMachineOptions {
  readonly run: Run;
  readonly spec: InstanceSpec;
  readonly log: LogFiles;
  readonly logLimits: LogLimits;
  readonly pollMs: number;
  /** What runs beside it. */
  readonly execs: {
    run(program: ExecProgram): Observable<Execution>;
    halt(): Observable<never>;
    resume(): Observable<never>;
    kill(): void;
  };
}

/** A process and all that it has started; without a control group, also what has left its group and bears the instance's name. */
async function membersOf({ handle, group }: Run): Promise<readonly number[]> {
  const members = await group.members();
  if (handle.group !== undefined) return members;
  const [all, own] = await Promise.all([processTable.all(), processTable.environment(handle.pid)]);
  const name = own.find((variable) => variable.startsWith('INSTANCE_ID='));
  if (name === undefined) return members;
  const environments = await Promise.all(all.map(({ pid }) => processTable.environment(pid)));
  return [...members, ...all.map(({ pid }) => pid).filter((_, index) => environments[index]?.includes(name))];
}

/** A readiness by one of its ports is asked for where the process listens for that. */
const readinessAt = (readiness: Readiness, { addressOf }: Ports): Readiness =>
  readiness.kind === 'log'
    ? readiness
    : { ...readiness, port: addressOf(readiness.port)?.port ?? readiness.port };

/** A machine around a process that leads a group. */
export function createProcessMachine(options: ProcessMachineOptions): Machine {
  const { spec, log, logLimits, pollMs, execs } = options;
  const { handle } = options.run;
  /** A real-time signal that it has been sent and that ends it. */
  let deadly: string | undefined;
  /** Whether it was killed here, so that this was not for want of memory, though something that it started may have been. */
  let isKilled = false;
  /** Node reports such an end as one with code 0. */
  const asEnded = (exit: ExitStatus): ExitStatus => {
    if (deadly !== undefined && exit.code === 0) return { code: null, signal: deadly };
    const { code, signal } = exit;
    return isKilled ? { code, signal } : exit;
  };
  const run: Run = { ...options.run, ended$: options.run.ended$.pipe(map(asEnded)) };
  const isOwnPort = (port: number): Promise<boolean> => listensOn(port, () => membersOf(run));
  const ports = portsAt(handle.ports);
  const readiness = spec.readiness && readinessAt(spec.readiness, ports);
  const readiness$ =
    readiness === undefined
      ? undefined
      : readinessOf(readiness, { log, logStart: handle.logStart, run: handle.run, pollMs, isOwnPort });
  const watched = watchRun({ run, readiness$, logs: handle.run === undefined ? [log] : [], logLimits });
  const { group, exit$ } = watched;
  let asked = false;
  run.ended$.subscribe({ next: execs.kill, error: execs.kill });

  const signal = (name: string): void => {
    if (isDeadly(handle.pid, name)) deadly = name;
    watched.signal(signalOf(name));
  };

  const kill = (): Observable<ExitStatus> =>
    defer(() => {
      isKilled ||= !watched.isGone();
      return watched.kill();
    });

  const ask = async (graceMs: number): Promise<void> => {
    const isFirst = !asked;
    asked = true;
    if (isFirst) {
      // Before it can end by that, and leave something behind.
      await watched.spare(graceMs);
      signal(spec.stopSignal ?? 'SIGTERM');
    }
    // A halted process gets no signal before it goes on.
    signal('SIGCONT');
  };

  const unlessEnded = (work: () => Observable<never>): Observable<never> =>
    watched.unlessGone('the process has ended', work);

  return {
    handle,
    signals$: watched.signals$,

    inspect: () => watched.inspect(() => of({ kind: 'running', ready: watched.isReady() })),

    stop: ({ graceMs }) =>
      defer(() => {
        const asking$ = completeAfter(() => ask(graceMs));
        return merge(asking$, exit$, timer(graceMs).pipe(mergeMap(kill))).pipe(take(1));
      }),

    kill,
    detach: () => {
      execs.kill();
      watched.detach();
    },
    ports,

    exec: (program) =>
      defer(() => {
        if (watched.isGone()) throw new Error('the process has ended');
        return execs.run(program);
      }),

    signal: (name) =>
      unlessEnded(() => {
        signal(name);
        return EMPTY;
      }),

    freezing: {
      freeze: () => unlessEnded(() => concat(group.halt(), execs.halt())),
      thaw: () => unlessEnded(() => merge(group.resume(), execs.resume())),
    },
  };
}
