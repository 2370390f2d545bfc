import { asyncScheduler, type Observable } from 'rxjs';
import type { MachineHandle } from '../../lifecycle/instance.js';
import type { LogLine } from '../../lifecycle/logLine.js';
import type { LaunchPlan, Machine } from '../driver.js';
import { portsAt } from '../host/machinePorts.js';
import type { MemoryDriverOptions, MemoryOperation } from './memoryDriverOptions.js';
import type { MemoryHomes } from './memoryHomes.js';
import { createMemoryMachine, type MemoryMachine, type PlayedMachine } from './memoryMachine.js';

/** Does something unless it is to fail. */
export type Attempt = <T>(
  operation: MemoryOperation,
  plan: LaunchPlan,
  work: () => Observable<T>,
) => Observable<T>;

/** The machines of a driver. */
export interface MemoryMachines {
  /** Starts one in a home, from the beginning or from a memory. */
  start(plan: LaunchPlan, memory?: number): Machine;
  /** @throws where it has ended */
  find(handle: MachineHandle): Machine;
  runningIn(path: string): readonly Machine[];
  /** What is in the memory of one that is halted in a home. */
  haltedIn(path: string): number | undefined;
  /** The one that an instance has or had last. @throws where it never had one */
  played(instanceId: string): MemoryMachine;
  /** Ids of the instances whose machine has not ended. */
  running(): readonly string[];
}

interface Running {
  readonly instanceId: string;
  readonly home: string;
  readonly played: PlayedMachine;
}

/** Creates the machines of a driver. */
export function createMemoryMachines(
  { standbyFrees, stopMs = 0, portOf: givenPortOf }: MemoryDriverOptions,
  homes: Pick<MemoryHomes, 'get'>,
  attempt: Attempt,
): MemoryMachines {
  const played = new Map<string, MemoryMachine>();
  const running = new Map<number, Running>();
  let launches = 0;
  let lastPort = 19_999;
  const portOf = givenPortOf ?? ((): number => (lastPort += 1));

  const inHome = (path: string): readonly Running[] =>
    [...running.values()].filter(({ home }) => home === path);

  return {
    start: (plan, memory) => {
      const { instanceId, spec, home: path } = plan;
      const home = homes.get(path);
      if (memory === undefined) home.memory = undefined;
      const ports = (spec.ports ?? []).map(({ guest }) => ({ guest, host: portOf(instanceId, guest) }));
      const handle = { machine: (launches += 1), ...(ports.length > 0 && { ports }) };
      const made = createMemoryMachine({
        ...{ handle, ports: portsAt(ports), spec, stopMs, memory },
        attempt: (operation, work) => attempt(operation, plan, work),
        write: (text) => {
          const line: LogLine = {
            ...{ time: asyncScheduler.now(), stream: 'stdout', text, partial: false },
            ...{ cursor: home.lines.length + 1, run: String(handle.machine) },
          };
          home.lines.push(line);
          home.written$.next(line);
        },
        onExit: () => running.delete(handle.machine),
        keep:
          standbyFrees === 'memory'
            ? (kept) => {
                home.memory = kept;
              }
            : undefined,
      });
      played.set(instanceId, made.controls);
      running.set(handle.machine, { instanceId, home: path, played: made });
      return made.machine;
    },
    find: (handle) => {
      const found = running.get(Number(handle['machine']));
      if (found === undefined) throw new Error('the machine has ended');
      return found.played.machine;
    },
    runningIn: (path) => inHome(path).map(({ played: { machine } }) => machine),
    haltedIn: (path) => inHome(path)[0]?.played.memory(),
    played: (instanceId) => {
      const controls = played.get(instanceId);
      if (controls === undefined) throw new Error(`the instance ${instanceId} never had a machine`);
      return controls;
    },
    running: () => [...running.values()].map(({ instanceId }) => instanceId),
  };
}
