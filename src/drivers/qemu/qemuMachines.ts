import type { Observable } from 'rxjs';
import type { Readiness } from '../../lifecycle/instance.js';
import type { LaunchPlan } from '../driver.js';
import { createLogFiles, type LogLimits } from '../host/logFiles.js';
import { asked, readinessOf } from '../host/readinessOf.js';
import { guestAccepts } from './guest.js';
import type { GuestAgents } from './guestAgents.js';
import { guestEnvironment } from './guestEnvironment.js';
import { serveConsole } from './console.js';
import type { MachineFiles } from './machineFiles.js';
import type { QemuHost } from './qemuHost.js';
import { createQemuMachine, type QemuMachine } from './qemuMachine.js';
import type { RunningVm } from './runningVm.js';
import type { StartedQemu } from './startQemu.js';
import { machineDirOf } from './vmPaths.js';

/** The machines that run, by home. Whoever copies a home has to know whether a machine stands still in it. */
export interface QemuMachines {
  in(home: string): QemuMachine | undefined;
  /** Makes a machine of a QEMU that runs, and keeps it until its signals complete. */
  add(plan: LaunchPlan, started: StartedQemu, running: RunningVm): QemuMachine;
}

/** What {@link QemuMachines} are made of. */
export interface QemuMachinesOptions extends MachineFiles {
  readonly host: QemuHost;
  readonly agents: GuestAgents;
  readonly logLimits: LogLimits;
  readonly pollMs: number;
}

/** The console of the guest, and what QEMU itself says. */
export const logSources: readonly string[] = ['app', 'vmm'];

/** Creates {@link QemuMachines}. */
export function createQemuMachines(options: QemuMachinesOptions): QemuMachines {
  const { host, agents, disks, sound, identities, keptHashes, logLimits, pollMs } = options;
  const machines = new Map<string, QemuMachine>();
  const consoles = new Map<string, () => void>();

  const readinessIn = (
    home: string,
    { run, link, ports }: StartedQemu,
    readiness: Readiness,
  ): Observable<never> => {
    const place = { log: createLogFiles(home), logStart: run.handle.logStart, run: undefined, pollMs };
    if (readiness.kind === 'log') return readinessOf(readiness, place);
    const port = ports.find(({ guest }) => guest === readiness.port)?.host ?? 0;
    return readiness.kind === 'http'
      ? readinessOf({ ...readiness, port }, place)
      : asked(() => guestAccepts(link, port, pollMs), pollMs);
  };

  return {
    in: (home) => machines.get(home),

    add: (plan, started, running) => {
      const { home, spec, instanceId, name } = plan;
      const { readiness } = spec;
      const { run, link, ports } = started;
      const { vm, user, ramIsShared, isResumed, boot } = running;
      const agent = vm.agent === undefined ? undefined : agents.of({ home, instanceId, name });
      // One that was ready when it was suspended is ready.
      const isReady = isResumed || readiness === undefined;
      const machine = createQemuMachine({
        ...{ run, home, vm, user, ramIsShared, link, disks, sound, identities, boot, logLimits },
        ...{ agent, env: guestEnvironment(plan) },
        checkFit: () => host.checkFit(vm, machineDirOf(home)),
        handle: { ...run.handle, ports: ports.map(({ guest, host }) => ({ guest, host })) },
        readiness$: isReady ? undefined : readinessIn(home, started, readiness),
        logs: logSources.map((source) => createLogFiles(home, source)),
      });
      machines.set(home, machine);
      // One that is resumed stands still until it is let go on.
      if (!started.isHalted) agent?.connect();
      // Closing removes the socket, also one that was made since.
      consoles.get(home)?.();
      const endConsole = serveConsole(home, pollMs);
      consoles.set(home, endConsole);
      machine.signals$.subscribe({
        complete: () => {
          if (consoles.get(home) === endConsole) {
            consoles.delete(home);
            endConsole();
          }
          if (machines.get(home) === machine) {
            machines.delete(home);
            if (!machine.hasEnded()) agents.leave(home);
            else if (machine.isSuspended()) agent?.park();
            else agents.end(home);
          }
          link.close();
          // Where it has ended, its memory may be kept.
          if (machine.hasEnded()) keptHashes.add(machineDirOf(home));
        },
      });
      return machine;
    },
  };
}
