import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  first,
  ignoreElements,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  of,
  repeat,
  takeWhile,
  tap,
  throwError,
  timeout,
  toArray,
} from 'rxjs';
import { isRecord } from '../../codecs/closed.js';
import type { ExitStatus } from '../../lifecycle/instance.js';
import type { Driver, LaunchPlan, Machine, MachineStatus, MachineSignal } from '../driver.js';
import type { DriverSubject, Specimen } from '../driverSubject.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { naming } from './naming.js';

/** A machine that was launched, and by which plan. */
export interface Launched {
  readonly plan: LaunchPlan;
  readonly machine: Machine;
}

/** What one case of the contract works with. All that it waits for has to come in time. */
export interface ContractBench<D extends Driver> {
  readonly driver: D;
  /** A plan with a home of its own, not prepared yet. */
  plan(specimen: Specimen<D>): LaunchPlan;
  prepared(specimen: Specimen<D>): Promise<LaunchPlan>;
  /** Prepares, launches, and plays the specimen's part. */
  launched(specimen: Specimen<D>): Promise<Launched>;
  launchAgain(specimen: Specimen<D>, plan: LaunchPlan): Promise<Launched>;
  /** Resumes the machine that was suspended in a home. */
  resumed(plan: LaunchPlan): Promise<Machine>;
  /** Sees to it that a machine is ended with the rest. */
  hold(machine: Machine): void;
  /** Adopts a machine by its handle as a store would give it back. */
  adopt(launched: Launched): Observable<Machine>;
  /** Ends a machine, with a grace that no case needs. */
  end(machine: Machine, verb: 'stop' | 'kill'): Observable<ExitStatus>;
  /** All that a stream gives until it completes. */
  all<T>(source$: Observable<T>): Promise<readonly T[]>;
  /** The value of a stream that gives one and completes. */
  one<T>(source$: Observable<T>): Promise<T>;
  /** Runs work that gives no value. */
  done(work$: Observable<never>): Promise<void>;
  /** The error of a stream that has to fail. */
  fails(source$: Observable<unknown>): Promise<unknown>;
  isReady(machine: Machine): Promise<void>;
  exitOf(machine: Machine): Promise<ExitStatus>;
  status(machine: Machine): Promise<MachineStatus>;
  runs(plan: LaunchPlan): Promise<void>;
  /** No machine of the plan runs, or will soon. */
  runsNoMore(plan: LaunchPlan): Promise<void>;
  log(plan: LaunchPlan, tail?: number): Promise<readonly string[]>;
  /** The log once it has so many lines. */
  logOf(lines: number, plan: LaunchPlan): Promise<readonly string[]>;
  follow(plan: LaunchPlan, tail: number): Observable<string>;
  /** The numbers that were counted in a home so far. */
  counted(plan: LaunchPlan): Promise<readonly number[]>;
  /** The numbers that are counted after so many, once there are some; the machine has to run. */
  counts(plan: LaunchPlan, after: number): Promise<readonly number[]>;
  /** Looks until it finds what it should, or time is up, and gives the last look. */
  eventually<T>(look: () => Promise<T>, isSo: (found: T) => boolean): Promise<T>;
  /** Sees to it that the folder of a snapshot is removed with the rest. */
  putAway(folder: string): void;
  /** Ends every machine and removes every home and every snapshot. */
  clear(): Promise<void>;
}

/** Counts over all drivers: their homes may lie in one folder. */
let plans = 0;

/** Creates the bench of one case. */
export function createContractBench<D extends Driver>(subject: DriverSubject<D>): ContractBench<D> {
  const { homesDir, patienceMs = 4_000 } = subject;
  /** What was subscribed to last. */
  let last = 'nothing';
  const driver = naming(subject.createDriver(), 'driver', (call) => {
    last = call;
  });
  const [source = ''] = driver.capabilities.logs;
  const homes: string[] = [];
  const machines: Machine[] = [];
  const folders: string[] = [];

  const inTime = <T>(source$: Observable<T>): Observable<T> => {
    const late = (): Error =>
      new assert.AssertionError({ message: `${last}: nothing came within ${String(patienceMs)} ms` });
    return source$.pipe(timeout({ each: patienceMs, with: () => throwError(() => late()) }));
  };

  /** What fails though it should not. */
  const failed = (cause: unknown): Observable<never> =>
    throwError(() =>
      cause instanceof assert.AssertionError
        ? cause
        : new Error(`${last} failed: ${messageOf(cause)}`, { cause }),
    );

  /** Looks until it finds what it should, or time is up, and gives the last look. */
  const eventually = <T>(look: () => Promise<T>, isSo: (found: T) => boolean): Promise<T> => {
    const deadline = performance.now() + patienceMs;
    return lastValueFrom(
      defer(look).pipe(
        repeat({ delay: 5 }),
        takeWhile((found) => !isSo(found) && performance.now() < deadline, true),
      ),
    );
  };

  const all = <T>(source$: Observable<T>): Promise<readonly T[]> =>
    lastValueFrom(inTime(source$).pipe(catchError(failed), toArray()));

  const one = async <T>(source$: Observable<T>): Promise<T> => {
    const values = await all(source$);
    assert.equal(values.length, 1, `${last}: it emits one value, not ${String(values.length)}`);
    return values[0] as T;
  };

  const done = async (work$: Observable<never>): Promise<void> => {
    assert.deepEqual(await all(work$), [], `${last}: it emits no value`);
  };

  const signal = <K extends MachineSignal['kind']>(
    { signals$ }: Machine,
    kind: K,
  ): Promise<MachineSignal & { kind: K }> =>
    lastValueFrom(
      inTime(signals$).pipe(first((said): said is MachineSignal & { kind: K } => said.kind === kind)),
    );

  const hold = (machine: Machine): void => {
    machines.push(machine);
  };

  const plan = ({ spec }: Specimen<D>): LaunchPlan => {
    plans += 1;
    const instanceId = `contract${String(process.pid)}n${String(plans)}`;
    const home = join(homesDir, instanceId);
    homes.push(home);
    return { instanceId, name: `name-of-${instanceId}`, spec, home };
  };

  const prepared = async (specimen: Specimen<D>): Promise<LaunchPlan> => {
    const made = plan(specimen);
    await done(driver.prepare(made));
    return made;
  };

  const launchAgain = async (specimen: Specimen<D>, made: LaunchPlan): Promise<Launched> => {
    const machine = await one(driver.launch(made).pipe(tap(hold)));
    specimen.play?.(driver, made.instanceId);
    return { plan: made, machine };
  };

  const isRunning = async ({ instanceId }: LaunchPlan): Promise<boolean> =>
    subject.isRunning(driver, instanceId);

  const log = ({ home }: LaunchPlan, tail = 100): Promise<readonly string[]> =>
    all(driver.logs(home, { source, tail }).pipe(map(({ text }) => text)));

  const counted = async (made: LaunchPlan): Promise<readonly number[]> =>
    (await log(made, 10_000)).flatMap((line) => {
      const [, number] = /^count (\d+)\.$/.exec(line) ?? [];
      return number === undefined ? [] : [Number(number)];
    });

  const some = 3;

  const counts = async (made: LaunchPlan, after: number): Promise<readonly number[]> => {
    const found = await eventually(
      async () => {
        subject.counting?.play?.(driver, made.instanceId);
        return (await counted(made)).slice(after);
      },
      ({ length }) => length >= some,
    );
    assert.ok(found.length >= some, 'it counts');
    return found;
  };

  /** A case that failed tells more than what cannot be cleared away after it. */
  const quietly = (work: () => Observable<unknown>): Observable<never> =>
    inTime(defer(work)).pipe(
      ignoreElements(),
      catchError(() => EMPTY),
    );

  return {
    driver,
    plan,
    prepared,
    launched: async (specimen) => launchAgain(specimen, await prepared(specimen)),
    launchAgain,
    resumed: (made) =>
      one(
        defer(() => {
          assert.ok(driver.resume !== undefined, 'each driver of a kind can resume, or none can');
          return driver.resume(made).pipe(tap(hold));
        }),
      ),
    hold,
    eventually,
    adopt: ({ plan, machine }) =>
      driver.adopt(plan, JSON.parse(JSON.stringify(machine.handle)) as Machine['handle']).pipe(tap(hold)),
    end: (machine, verb) => (verb === 'stop' ? machine.stop({ graceMs: 2_000 }) : machine.kill()),
    all,
    one,
    done,
    fails: async (source$) => {
      const outcome$ = inTime(source$).pipe(
        ignoreElements(),
        catchError((error: unknown) => of({ error })),
      );
      const { error } = await lastValueFrom(outcome$, { defaultValue: { error: undefined } });
      assert.ok(isRecord(error), `${last}: it fails with an error`);
      assert.notEqual(error['code'], 'ERR_ASSERTION', `${last}: it fails in time`);
      assert.ok(
        typeof error['message'] === 'string' && error['message'] !== '',
        `${last}: its error says why`,
      );
      return error;
    },
    isReady: async (machine) => {
      await signal(machine, 'ready');
    },
    exitOf: async (machine) => (await signal(machine, 'exit')).exit,
    status: (machine) => one(machine.inspect()),
    runs: async (made) => {
      assert.ok(await isRunning(made), 'its machine runs');
    },
    runsNoMore: async (made) => {
      const isStill = await eventually(
        () => isRunning(made),
        (found) => !found,
      );
      assert.ok(!isStill, 'no machine of it runs any more');
    },
    log,
    logOf: (lines, made) =>
      eventually(
        () => log(made),
        (found) => found.length >= lines,
      ),
    follow: ({ home }, tail) =>
      inTime(driver.logs(home, { source, tail, followUntil$: NEVER }).pipe(map(({ text }) => text))),
    counted,
    counts,
    putAway: (folder) => {
      folders.push(folder);
    },
    clear: () =>
      lastValueFrom(
        concat(
          ...machines.map((machine) => quietly(() => machine.kill())),
          ...homes.map((home) => quietly(() => driver.discard(home))),
          ...folders.map((folder) => quietly(() => driver.snapshots?.discard(folder) ?? EMPTY)),
          quietly(() => driver.close?.() ?? EMPTY),
        ),
        { defaultValue: undefined },
      ),
  };
}
