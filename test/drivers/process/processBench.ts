import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  catchError,
  defer,
  EMPTY,
  filter,
  first,
  firstValueFrom,
  lastValueFrom,
  map,
  type Observable,
  of,
  repeat,
  toArray,
} from 'rxjs';
import {
  createProcessDriver,
  type Driver,
  type ExitStatus,
  type InstanceSpec,
  type LaunchPlan,
  type LogLine,
  type Machine,
  type ProcessDriverOptions,
  type MachineSignal,
} from 'rx-instances';
import { removeTree } from '../../../src/drivers/host/removeTree.js';

/** What the tests of one file work with. Each test ends what it launched; the folder goes with the last. */
export interface ProcessBench {
  readonly driver: Driver;
  /** Where the homes are. */
  readonly folder: string;
  /** A plan with a home of its own, not prepared yet. */
  plan(fields?: Partial<InstanceSpec>): LaunchPlan;
  prepared(fields?: Partial<InstanceSpec>): Promise<LaunchPlan>;
  launched(fields: Partial<InstanceSpec>): Promise<Launched>;
  /** Sees to it that a machine is ended with the rest. */
  hold(machine: Machine): Machine;
  /** The log as it is now. */
  log(plan: LaunchPlan): Promise<readonly string[]>;
}

export interface Launched {
  readonly plan: LaunchPlan;
  readonly machine: Machine;
  readonly pid: number;
}

/** Makes the bench of a test file. */
export function createProcessBench(options: ProcessDriverOptions = {}): ProcessBench {
  const driver = createProcessDriver({ pollMs: 5, ...options });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bench-')));
  const machines: Machine[] = [];
  let plans = 0;

  afterEach(async () => {
    const ended = machines.splice(0).map((machine) => all(machine.kill().pipe(catchError(() => EMPTY))));
    await Promise.all(ended);
  });
  afterAll(async () => {
    await all(driver.close?.() ?? EMPTY);
    await removeTree(folder);
  });

  const plan = (fields: Partial<InstanceSpec> = {}): LaunchPlan => {
    plans += 1;
    const instanceId = `bench${String(process.pid)}n${String(plans)}`;
    const spec = { driver: 'process', image: 'scratch', env: {}, tags: {}, ...fields };
    return { instanceId, name: `name-${String(plans)}`, spec, home: join(folder, instanceId) };
  };

  const prepared = async (fields?: Partial<InstanceSpec>): Promise<LaunchPlan> => {
    const made = plan(fields);
    await all(driver.prepare(made));
    return made;
  };

  const hold = (machine: Machine): Machine => {
    machines.push(machine);
    return machine;
  };

  return {
    driver,
    folder,
    plan,
    prepared,
    launched: async (fields) => {
      const made = await prepared(fields);
      const machine = hold(await firstValueFrom(driver.launch(made)));
      if (fields.readiness !== undefined) await isReady(machine);
      return { plan: made, machine, pid: machine.handle.pid as number };
    },
    hold,
    log: ({ home }) => all(driver.logs(home, { source: 'app', tail: 1_000 }).pipe(texts)),
  };
}

/** What the lines of a log say. */
export const texts = map(({ text }: LogLine) => text);

/** All that a stream gives until it completes. */
export const all = <T>(source$: Observable<T>): Promise<T[]> => lastValueFrom(source$.pipe(toArray()));

/** Comes once it is so, or never: the test has its own patience. */
export const eventually = async (isSo: () => boolean): Promise<void> => {
  await firstValueFrom(defer(() => of(isSo())).pipe(repeat({ delay: 5 }), filter(Boolean)));
};

const said = <K extends MachineSignal['kind']>(
  machine: Machine,
  kind: K,
): Promise<MachineSignal & { readonly kind: K }> =>
  firstValueFrom(
    machine.signals$.pipe(
      first((signal): signal is MachineSignal & { readonly kind: K } => signal.kind === kind),
    ),
  );

/** Comes once the machine has said that it is ready. */
export const isReady = async (machine: Machine): Promise<void> => {
  await said(machine, 'ready');
};

/** How the machine ended, once it has. */
export const exitOf = async (machine: Machine): Promise<ExitStatus> => (await said(machine, 'exit')).exit;

/** Fields of a request that run lines of shell. */
export const script = (...lines: readonly string[]): Partial<InstanceSpec> => ({
  entrypoint: ['/bin/sh', '-c', lines.join('\n')],
});

/** Lines of shell that are ready when they say so. */
export const readyScript = (...lines: readonly string[]): Partial<InstanceSpec> => ({
  ...script(...lines),
  readiness: { kind: 'log', pattern: '^ready$' },
});
