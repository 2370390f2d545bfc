import {
  catchError,
  concat,
  defer,
  EMPTY,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  ReplaySubject,
  take,
  throwError,
  timer,
} from 'rxjs';
import type { ExitStatus, InstanceSpec, MachineHandle } from '../../lifecycle/instance.js';
import type { Machine, MachineStatus, MachineSignal, Ports } from '../driver.js';
import { linePattern } from '../linePattern.js';

/** What happens to a machine in memory happens because somebody says so. */
export interface MemoryMachine {
  /** Lets it become ready. */
  ready(): void;
  /** Lets it end by itself. */
  exit(exit: ExitStatus): void;
  /** Lets the driver lose sight of it; the machine goes on. */
  lose(reason: string): void;
  /** Halts it, as somebody else might. */
  halt(): void;
  /** Lets it go on, as somebody else might. */
  resume(): void;
  /** Writes a line to its log; one that its readiness waits for makes it ready. */
  print(line: string): void;
  /** The signals that it was sent, in their order; only `SIGKILL` does something to it. */
  signals(): readonly string[];
  /** Lets it count on by one in its memory, and print the number: `count 1.`, `count 2.`, …; a halted one does neither. */
  count(): void;
}

/** What a machine in memory is made of. */
export interface MemoryMachineOptions {
  readonly handle: MachineHandle;
  readonly ports: Ports;
  readonly spec: InstanceSpec;
  readonly stopMs: number;
  /** Does something unless it is to fail. */
  readonly attempt: <T>(
    operation: 'inspect' | 'stop' | 'kill' | 'signal' | 'freeze' | 'thaw' | 'suspend',
    work: () => Observable<T>,
  ) => Observable<T>;
  readonly write: (line: string) => void;
  readonly onExit: () => void;
  /** The count of the machine whose memory this one is resumed from, halted; without it, it begins. */
  readonly memory?: number | undefined;
  /** Keeps its memory, or voids what was kept; absent where a memory can't be kept. */
  readonly keep?: ((memory: number | undefined) => void) | undefined;
}

/** What becomes of a machine, by itself or by whoever holds it. */
interface Life {
  readonly signals$: Observable<MachineSignal>;
  readonly hasEnded: boolean;
  readonly isHalted: boolean;
  /** How it is, or has ended. */
  status(): Observable<MachineStatus>;
  ready(): void;
  end(exit: ExitStatus): void;
  /** Ends it unless it ends before, and emits how it did. */
  endAfter(ms: number, exit: ExitStatus): Observable<ExitStatus>;
  lose(reason: string): void;
  halt(): void;
  resume(): void;
}

/** A machine that runs, and what a test plays it by. */
export interface PlayedMachine {
  readonly machine: Machine;
  readonly controls: MemoryMachine;
  /** What is in its memory while it is halted. */
  memory(): number | undefined;
}

/** Creates a machine that runs. */
export function createMemoryMachine(options: MemoryMachineOptions): PlayedMachine {
  const { handle, ports, spec, stopMs, attempt, write, memory, keep } = options;
  const life = createLife(options);
  const awaited = spec.readiness?.kind === 'log' ? linePattern(spec.readiness.pattern) : undefined;
  const sent: string[] = [];
  let counted = memory ?? 0;

  const print = (line: string): void => {
    if (life.hasEnded) return;
    write(line);
    if (awaited?.test(line) === true) life.ready();
  };

  if (spec.readiness === undefined || memory !== undefined) life.ready();

  return {
    machine: {
      handle,
      ports,
      signals$: life.signals$,
      inspect: () => attempt('inspect', life.status),
      stop: ({ graceMs }) =>
        attempt('stop', () => {
          life.resume();
          return stopMs > graceMs
            ? life.endAfter(graceMs, killed)
            : life.endAfter(stopMs, { code: null, signal: 'SIGTERM' });
        }),
      kill: () => attempt('kill', () => life.endAfter(0, killed)),
      signal: (name) =>
        attempt('signal', () =>
          done(() => {
            if (life.hasEnded) throw new Error('the machine has ended');
            sent.push(name);
            if (name === 'SIGKILL') life.end(killed);
          }),
        ),
      freezing: {
        freeze: () => attempt('freeze', () => done(life.halt)),
        thaw: () => attempt('thaw', () => done(life.resume)),
        ...(keep !== undefined && {
          suspend: () =>
            suspended(options, life, () => {
              keep(counted);
            }),
        }),
      },
    },
    memory: () => (life.isHalted ? counted : undefined),
    controls: {
      ...{ ready: life.ready, exit: life.end, lose: life.lose, halt: life.halt, resume: life.resume },
      print,
      signals: () => [...sent],
      count: () => {
        if (!life.isHalted && !life.hasEnded) print(`count ${String((counted += 1))}.`);
      },
    },
  };
}

/** One that is made of a memory is halted. */
function createLife({ onExit, memory, keep }: MemoryMachineOptions): Life {
  const signals$ = new ReplaySubject<MachineSignal>(Infinity);
  const exit$ = new ReplaySubject<ExitStatus>(1);
  let isReady = false;
  let isHalted = memory !== undefined;
  let hasEnded = false;

  const end = (exit: ExitStatus): void => {
    if (hasEnded) return;
    hasEnded = true;
    onExit();
    signals$.next({ kind: 'exit', exit });
    signals$.complete();
    exit$.next(exit);
    exit$.complete();
  };

  return {
    signals$: signals$.asObservable(),
    get hasEnded() {
      return hasEnded;
    },
    get isHalted() {
      return isHalted;
    },
    status: () => {
      if (hasEnded) return exit$.pipe(map((exit) => ({ kind: 'ended', exit })));
      return of(isHalted ? { kind: 'frozen' } : { kind: 'running', ready: isReady });
    },
    ready: () => {
      if (isReady || hasEnded) return;
      isReady = true;
      signals$.next({ kind: 'ready' });
    },
    end,
    endAfter: (ms, exit) => {
      const end$ = (ms === 0 ? of(0) : timer(ms)).pipe(
        mergeMap(() =>
          done(() => {
            end(exit);
          }),
        ),
      );
      return merge(exit$, end$).pipe(take(1));
    },
    lose: (reason) => {
      if (!hasEnded) signals$.next({ kind: 'lost', reason });
    },
    halt: () => {
      isHalted = true;
    },
    resume: () => {
      if (hasEnded) return;
      isHalted = false;
      keep?.(undefined);
    },
  };
}

/** Halts a machine and keeps its memory; where that fails, it runs on. */
const suspended = (
  { attempt }: MemoryMachineOptions,
  { halt, resume }: Life,
  keep: () => void,
): Observable<never> =>
  attempt('suspend', () =>
    done(() => {
      keep();
      halt();
    }),
  ).pipe(
    catchError((error: unknown) =>
      concat(
        done(resume),
        throwError(() => error),
      ),
    ),
  );

const done = (work: () => void): Observable<never> =>
  defer(() => {
    work();
    return EMPTY;
  });

const killed: ExitStatus = { code: null, signal: 'SIGKILL' };
