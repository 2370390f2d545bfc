import { join } from 'node:path';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  merge,
  mergeMap,
  type Observable,
  of,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import { NotSupported } from '../../lifecycle/errors.js';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { DriverFiles, Machine } from '../driver.js';
import { completeAfter } from '../host/completeAfter.js';
import type { LogFiles, LogLimits } from '../host/logFiles.js';
import { portsAt } from '../host/machinePorts.js';
import type { Run } from '../host/runs.js';
import { watchRun } from '../host/watchRun.js';
import { copyMachineFolder } from './copyMachineFolder.js';
import type { Disks } from './disk.js';
import type { FileIdentities } from './fileIdentity.js';
import { freezeDisk } from './freezeDisk.js';
import { haltGuest, readGuest, wakeGuest } from './guestState.js';
import { type Boot, keepBoot } from './keptBoot.js';
import { looksOfLayers } from './keptLayers.js';
import { copyMemory, forgetRam, keepMemory, keptMemory, memoryFiles, spendMemory } from './memory.js';
import { giveUpState, sendState } from './migration.js';
import type { Execution } from '../../lifecycle/execution.js';
import { filesSince } from './agentVersion.js';
import type { GuestAgent } from './guestAgent.js';
import { createGuestFiles } from './guestFiles.js';
import type { QemuHandle } from './qemuHandle.js';
import type { Qmp } from './qmp.js';
import type { QmpLink } from './qmpLink.js';
import type { QemuUser } from './qemuUser.js';
import { receiveState } from './receiveState.js';
import type { SoundFolders } from './soundFolders.js';
import type { VmConfig } from './vmConfig.js';
import { machineDirOf, vmPaths } from './vmPaths.js';

/** What a running virtual machine is made of. */
export interface QemuMachineOptions {
  readonly run: Run;
  readonly handle: QemuHandle;
  readonly home: string;
  readonly vm: VmConfig;
  /** As whom it runs, where that is not the manager's user. */
  readonly user: QemuUser | undefined;
  /** Whether what the guest writes to its memory stays in the file of its home. */
  readonly ramIsShared: boolean;
  readonly link: QmpLink;
  readonly readiness$: Observable<never> | undefined;
  /** What it booted, or was about to when it came to stand still. */
  readonly boot: Boot | undefined;
  readonly identities: FileIdentities;
  /** Rejects where it could not be resumed from its memory. */
  readonly checkFit: () => Promise<void>;
  readonly logs: readonly LogFiles[];
  readonly logLimits: LogLimits;
  readonly disks: Disks;
  readonly sound: SoundFolders;
  /** The agent in its guest, where there is one. */
  readonly agent: GuestAgent | undefined;
  /** The variables of what runs in the guest. */
  readonly env: Readonly<Record<string, string>>;
}

/** A virtual machine that runs. */
export interface QemuMachine extends Machine {
  /** Whoever else has to do with the same QEMU has to share it: that serves one at a time. */
  readonly link: QmpLink;
  /** Those of its guest. */
  readonly files: DriverFiles;
  /** Whether the process has ended, and was not only detached. */
  hasEnded(): boolean;
  /** Whether its memory was kept, and it has not gone on since. */
  isSuspended(): boolean;
  /** While it stands still: gives an empty folder what its own holds at this moment, with its memory or without. */
  copyTo(folder: string, kind: Snapshot['kind']): Observable<never>;
}

/** A guest that has not begun to listen yet misses the button. */
const pressEveryMs = 1_000;
/** How long a QEMU may take to end after `quit`. */
const quitMs = 2_000;
/** How long a QEMU that is gone may take to be seen to have ended. */
const endMs = 2_000;

const act = (work: () => unknown): Observable<never> =>
  defer(() => {
    work();
    return EMPTY;
  });

const withoutAgent = (verb: string): NotSupported =>
  new NotSupported({
    ...{ driver: 'qemu', verb },
    reason: 'its guest has no agent; one stands in the image.json of images that have it',
  });

const withOlderAgent = (version: number): NotSupported =>
  new NotSupported({
    ...{ driver: 'qemu', verb: 'files' },
    reason: `the agent in its guest is of version ${String(version)}, and reaches no files; that of version ${String(filesSince)} does`,
  });

/** A machine around a QEMU. Long, since all that it can do goes by one link and one watched run. */
export function createQemuMachine(options: QemuMachineOptions): QemuMachine {
  const { run, handle, home, vm, user, ramIsShared, link, readiness$, logs, logLimits, disks, sound } =
    options;
  const { boot, identities, checkFit, agent, env } = options;
  const fits$ = completeAfter(checkFit);
  const folder = machineDirOf(home);
  const ramIn = ramIsShared ? 'file' : 'state';
  const watched = watchRun({ run, readiness$, logs, logLimits });
  const { exit$, signal } = watched;

  const unlessEnded = (work: (qmp: Qmp) => Observable<never>): Observable<never> =>
    watched.unlessGone('the virtual machine has ended', () => {
      // Halted from outside it answers nothing.
      signal('SIGCONT');
      return link.use(work);
    });

  const resume = (qmp: Qmp): Observable<never> =>
    concat(
      giveUpState(qmp),
      completeAfter(() => sound.naming(folder, () => spendMemory(folder))),
      wakeGuest(qmp, boot !== undefined),
      qmp.run('cont'),
    );

  /** QEMU writes the state of a halted guest only once: it is kept from then on. */
  const keep = (qmp: Qmp): Observable<never> =>
    defer(() => keptMemory(folder)).pipe(
      mergeMap((kept) =>
        kept !== undefined
          ? EMPTY
          : receiveState(
              { socket: join(home, vmPaths.stateSocket), file: join(folder, memoryFiles.state), user },
              sendState(qmp, vmPaths.stateSocket, ramIsShared),
            ).pipe(
              mergeMap(async (state) => {
                const unbooted = boot !== undefined && !(await hasBooted()) ? boot : undefined;
                await keepMemory(folder, {
                  ...{ vm, ramIn, state, layers: await looksOfLayers(folder, await disks.layers(folder)) },
                  ...(watched.isReady() ? {} : { isReady: false }),
                  ...(unbooted !== undefined && { boot: await keepBoot(identities, unbooted) }),
                });
              }),
              ignoreElements(),
            ),
      ),
    );

  /** Nothing but its kernel, and what that has started, says anything. */
  const hasBooted = async (): Promise<boolean> => {
    if (readiness$ !== undefined && watched.isReady()) return true;
    const ends = await Promise.all(logs.slice(0, 1).map((log) => log.end()));
    return ends.some((end) => end > handle.logStart);
  };

  /** What it shared with others, and is in its own state now, is theirs alone once it has ended. It does no harm. */
  const removeRam$ = completeAfter(async () => {
    if ((await keptMemory(folder))?.ramIn === 'state') await sound.naming(folder, () => forgetRam(folder));
  }).pipe(catchError(() => EMPTY));

  const inGuest = (verb: string, work: (agent: GuestAgent) => Observable<Execution>): Observable<Execution> =>
    defer(() => {
      if (watched.isGone()) return throwError(() => new Error('the virtual machine has ended'));
      return agent === undefined ? throwError(() => withoutAgent(verb)) : work(agent);
    });

  let hasEnded = false;
  let isSuspended = false;
  exit$.subscribe(() => (hasEnded = true));

  return {
    handle,
    link,
    hasEnded: () => hasEnded,
    isSuspended: () => isSuspended,
    ports: portsAt(handle.ports),
    signals$: watched.signals$,

    inspect: () =>
      watched.inspect(() =>
        link
          .use((qmp) => readGuest(qmp, watched.isReady))
          .pipe(catchError((error: unknown) => timer(endMs).pipe(mergeMap(() => throwError(() => error))))),
      ),

    stop: ({ graceMs }) =>
      defer(() => {
        if (watched.isGone()) return exit$;
        signal('SIGCONT');
        const tryCommand = (command: string): Observable<never> =>
          link.use((qmp) => qmp.run(command)).pipe(catchError(() => EMPTY));
        const pressed$ = concat(
          link.use(resume).pipe(catchError(() => EMPTY)),
          timer(0, pressEveryMs).pipe(
            mergeMap(() => tryCommand('system_powerdown')),
            takeUntil(timer(graceMs)),
          ),
        );
        const quit$ = timer(graceMs).pipe(mergeMap(() => tryCommand('quit')));
        const killed$ = timer(graceMs + quitMs).pipe(mergeMap(watched.kill));
        return merge(exit$, pressed$, quit$, killed$).pipe(take(1));
      }),

    kill: () => watched.kill().pipe(mergeMap((exit) => concat(removeRam$, of(exit)))),

    exec: ({ cwd, ...program }) =>
      inGuest('exec', ({ run }) =>
        run({ ...program, ...(cwd !== undefined && { cwd }), env: { ...env, ...program.env } }),
      ),

    files: createGuestFiles((program) =>
      inGuest('files', ({ run }) => {
        const version = vm.agent ?? filesSince;
        return version < filesSince ? throwError(() => withOlderAgent(version)) : run(program);
      }),
    ),

    detach: () => {
      watched.detach();
      link.close();
    },

    freezing: {
      freeze: () =>
        concat(
          unlessEnded(haltGuest),
          act(() => agent?.halt()),
        ),
      thaw: () =>
        concat(
          act(() => (isSuspended = false)),
          unlessEnded(resume),
          act(() => agent?.goOn()),
        ),
      suspend: () =>
        unlessEnded((qmp) =>
          concat(
            fits$,
            haltGuest(qmp),
            keep(qmp),
            act(() => (isSuspended = true)),
          ).pipe(
            catchError((error: unknown) =>
              concat(
                resume(qmp).pipe(catchError(() => EMPTY)),
                act(() => agent?.goOn()),
                throwError(() => error),
              ),
            ),
          ),
        ),
    },

    copyTo: (target, kind) =>
      unlessEnded((qmp) =>
        concat(
          freezeDisk(qmp, { disks, folder, user }),
          kind === 'Standby' ? keep(qmp) : EMPTY,
          completeAfter(() =>
            copyMachineFolder({ disks, sound }, { from: folder, to: target, kind, copyMemory }),
          ),
        ),
      ),
  };
}
