import * as t from 'io-ts';
import { join } from 'node:path';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { Machine, MachineStatus } from '../driver.js';
import { completeAfter } from '../host/completeAfter.js';
import type { LogFiles, LogLimits } from '../host/logFiles.js';
import type { Run } from '../host/runs.js';
import { watchRun } from '../host/watchRun.js';
import { blockNode } from './args.js';
import { copyMachineFolder } from './copyMachineFolder.js';
import type { Disks, Layer } from './disk.js';
import type { FileIdentities } from './fileIdentity.js';
import { isDead } from './guest.js';
import { type Boot, keepBoot } from './keptBoot.js';
import { looksOfLayers } from './keptLayers.js';
import { copyMemory, forgetRam, keepMemory, keptMemory, memoryFiles, spendMemory } from './memory.js';
import { giveUpState, sendState } from './migration.js';
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
}

/** A virtual machine that runs. */
export interface QemuMachine extends Machine {
  /** Whoever else has to do with the same QEMU has to share it: that serves one at a time. */
  readonly link: QmpLink;
  /** Whether the process has ended, and was not only detached. */
  hasEnded(): boolean;
  /** While it stands still: gives an empty folder what its own holds at this moment, with its memory or without. */
  copyTo(folder: string, kind: Snapshot['kind']): Observable<never>;
}

/** A guest that has not begun to listen yet misses the button. */
const pressEveryMs = 1_000;
/** How long a QEMU may take to end after `quit`. */
const quitMs = 2_000;
/** How long a QEMU that is gone may take to be seen to have ended. */
const endMs = 2_000;

/** A machine around a QEMU. */
export function createQemuMachine(options: QemuMachineOptions): QemuMachine {
  const { run, handle, home, vm, user, ramIsShared, link, readiness$, logs, logLimits, disks, sound } =
    options;
  const { boot, identities, checkFit } = options;
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

  /** A guest that sleeps is no guest that was halted: QEMU before version 9 can't keep its memory so that it wakes again. */
  const halt = (qmp: Qmp): Observable<never> =>
    stateOf(qmp).pipe(
      mergeMap((state) =>
        state === asleep
          ? throwError(
              () =>
                new Error(
                  'the guest is asleep (suspended): its memory cannot be kept so that it wakes again',
                ),
            )
          : qmp.run('stop'),
      ),
    );

  /**
   * Only QEMU wakes a guest that sleeps, which does not go by its clock before it was halted and went on. But QEMU lays the kernel that
   * it was given anew into the memory then, over what the guest has there.
   */
  const wake = (qmp: Qmp): Observable<never> =>
    stateOf(qmp).pipe(
      mergeMap((state) => {
        if (state !== asleep) return EMPTY;
        if (boot !== undefined) return throwError(() => new Error(neverWakes));
        return concat(qmp.run('system_wakeup'), qmp.run('stop'));
      }),
    );

  const resume = (qmp: Qmp): Observable<never> =>
    concat(
      giveUpState(qmp),
      completeAfter(() => sound.naming(folder, () => spendMemory(folder))),
      wake(qmp),
      qmp.run('cont'),
    );

  const readStatus = (qmp: Qmp): Observable<MachineStatus> =>
    stateOf(qmp).pipe(
      mergeMap((state): Observable<MachineStatus> => {
        if (haltedStates.has(state)) return of({ kind: 'frozen' });
        if (state !== 'running') return throwError(() => new Error(faultOf(state)));
        return isDead(qmp).pipe(
          map((dead) => (dead ? { kind: 'shutdown' } : { kind: 'running', ready: watched.isReady() })),
        );
      }),
    );

  /** Puts an empty layer on top, so that nothing is written any more to the layers below. */
  const freezeDisk = (qmp: Qmp): Observable<never> =>
    qmp.ask('query-block', blockDevices).pipe(
      mergeMap((devices) => {
        const node = devices
          .map(({ inserted }) => inserted?.['node-name'])
          .find((name) => name !== undefined);
        if (node === undefined) return EMPTY;
        return defer(() => disks.add(folder, node, user)).pipe(
          mergeMap((layer) => (layer === undefined ? EMPTY : addLayer(qmp, node, layer))),
        );
      }),
    );

  const addLayer = (qmp: Qmp, below: string, layer: Layer): Observable<never> =>
    concat(
      // Whoever was killed over it may have left it open.
      removeLayer(qmp, layer),
      qmp.run('blockdev-add', { ...blockNode(layer), backing: null }),
      qmp.run('blockdev-snapshot', { node: below, overlay: layer.node }),
      // It has it open now, and only reads it once another lies on top.
      completeAfter(() => disks.letIn(folder, layer, user, 'read')),
    ).pipe(
      catchError((error: unknown) =>
        concat(
          removeLayer(qmp, layer),
          completeAfter(() => disks.remove(folder, layer)),
          throwError(() => error),
        ),
      ),
    );

  /** Has QEMU close a layer that it opened and never took up: as long as it is open, none can be opened by its name. */
  const removeLayer = (qmp: Qmp, { node }: Layer): Observable<never> =>
    qmp.run('blockdev-del', { 'node-name': node }).pipe(catchError(() => EMPTY));

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

  let hasEnded = false;
  exit$.subscribe(() => (hasEnded = true));

  return {
    handle,
    link,
    hasEnded: () => hasEnded,
    signals$: watched.signals$,

    inspect: () =>
      watched.inspect(() =>
        link
          .use(readStatus)
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

    detach: () => {
      watched.detach();
      link.close();
    },

    freezing: {
      freeze: () => unlessEnded(halt),
      thaw: () => unlessEnded(resume),
      suspend: () =>
        unlessEnded((qmp) =>
          concat(fits$, halt(qmp), keep(qmp)).pipe(
            catchError((error: unknown) =>
              concat(
                resume(qmp).pipe(catchError(() => EMPTY)),
                throwError(() => error),
              ),
            ),
          ),
        ),
    },

    copyTo: (target, kind) =>
      unlessEnded((qmp) =>
        concat(
          freezeDisk(qmp),
          kind === 'Standby' ? keep(qmp) : EMPTY,
          completeAfter(() =>
            copyMachineFolder({ disks, sound }, { from: folder, to: target, kind, copyMemory }),
          ),
        ),
      ),
  };
}

const stateOf = (qmp: Qmp): Observable<string> =>
  qmp.ask('query-status', t.type({ status: t.string })).pipe(map(({ status }) => status));

const neverWakes =
  'the guest is asleep (suspended), and QEMU cannot wake one that it has booted, only one that has gone on from a memory since; stop and start it';

/** The state of QEMU in which the guest sleeps until it is woken. */
const asleep = 'suspended';

/** States of QEMU in which the guest stands still and can go on. */
const haltedStates = new Set([
  ...['paused', 'prelaunch', 'inmigrate', 'postmigrate', 'finish-migrate', asleep, 'save-vm', 'restore-vm'],
]);

/** States of QEMU in which the guest stands still over a fault. */
const faults: Readonly<Record<string, string>> = {
  'io-error':
    'its disk could not be read or written, as where the disk of the host is full; once it can, a restore lets it go on',
  'internal-error': 'QEMU could not run it any further',
  'guest-panicked': 'its kernel has panicked',
  watchdog: 'its watchdog has run out',
  shutdown: 'it has shut down',
};

const faultOf = (state: string): string => {
  const fault = faults[state];
  return fault === undefined
    ? `QEMU tells a state of the guest that is not known here: ${state}`
    : `QEMU has stopped the guest (${state}): ${fault}`;
};

const blockDevices = t.array(t.partial({ inserted: t.partial({ 'node-name': t.string }) }));
