import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  catchError,
  concat,
  EMPTY,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  retry,
  take,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { ForwardedPort } from '../../lifecycle/instance.js';
import type { LaunchPlan } from '../driver.js';
import { createLogFiles, type LogFiles } from '../host/logFiles.js';
import type { MachinePort } from '../host/machinePorts.js';
import { runProgram } from '../host/runProgram.js';
import type { Run, Runs } from '../host/runs.js';
import { qemuArgs } from './args.js';
import type { Confinement } from './confinement.js';
import type { Layer } from './disk.js';
import { forwardedPorts } from './guest.js';
import { guestEnvironment, guestPortsOf } from './guestEnvironment.js';
import { checkPlaces, letUserIn } from './homePlaces.js';
import type { Boot } from './keptBoot.js';
import { memoryFiles } from './memory.js';
import { readState } from './migration.js';
import { missing } from './programs.js';
import { connectQmp, type Qmp } from './qmp.js';
import { createQmpLink, type QmpLink } from './qmpLink.js';
import type { VmConfig } from './vmConfig.js';
import { machineDirOf, vmPaths } from './vmPaths.js';

/** What is to be started. */
export interface QemuPlan extends LaunchPlan {
  readonly program: string;
  readonly vm: VmConfig;
  readonly ramIsShared: boolean;
  readonly disk: Layer | undefined;
  readonly confinement: Confinement;
  /** What it boots. */
  readonly boot: Boot | undefined;
  /** Where the memory lies that it is resumed from. It may still have to load what it boots. */
  readonly ramIn: 'file' | 'state' | undefined;
}

/** A QEMU that can be talked to. */
export interface StartedQemu {
  readonly run: Run;
  readonly link: QmpLink;
  readonly ports: readonly MachinePort[];
  /** Whether it stands still until it is let go on. */
  readonly isHalted: boolean;
}

/** How long a QEMU may take until it can be talked to. */
const startMs = 30_000;
/** How long one that ends may take from the end of its connection to its own. */
const endMs = 2_000;
const retryMs = 1;

/**
 * Starts a QEMU in a home. When this fails, none is left.
 *
 * @throws {@link LaunchFailed} as a rejection, in QEMU's own words where it had any
 */
export async function startQemu(runs: Runs, plan: QemuPlan): Promise<StartedQemu> {
  const { program, home, spec, ramIn } = plan;
  const vmmLog = createLogFiles(home, 'vmm');
  await checkPlaces(home);
  const [vmmStart] = await Promise.all([
    vmmLog.end(),
    writeGuestFiles(plan),
    makeConsole(home),
    letUserIn(home, plan.confinement.user),
  ]);
  const run = await runs.start({
    home,
    log: createLogFiles(home),
    outlives: plan.outlives === true,
    start: (spawner, keep) =>
      spawner
        .start({
          program,
          args: argsOf(plan),
          cwd: home,
          // By its id a QEMU is known as this instance's.
          env: { PATH: process.env['PATH'] ?? '', INSTANCE_ID: plan.instanceId },
          output: vmmLog.path,
          ...(ramIn !== undefined && { handedPath: join(machineDirOf(home), memoryFiles.state) }),
          ...(keep !== undefined && { keep }),
        })
        .catch((error: unknown) => {
          if (isCode(error, 'ENOENT')) throw new LaunchFailed({ reason: missing(program) }, { cause: error });
          throw error;
        }),
  });
  const path = join(home, vmPaths.qmpSocket);
  const link = createQmpLink(path, () =>
    connectQmp(path).pipe(
      retry({
        delay: (error: unknown) => (isNotThereYet(error) ? timer(retryMs) : throwError(() => error)),
      }),
      timeout({ first: startMs, with: () => throwError(() => new Error('QEMU cannot be talked to')) }),
    ),
  );
  const begun = (qmp: Qmp): Observable<StartedQemu['ports']> =>
    concat(ramIn === undefined ? EMPTY : readState(qmp, ramIn === 'file'), portsOf(qmp, spec.ports));
  try {
    const ports = await firstValueFrom(
      merge(
        // If QEMU has ended over it, it says why.
        link
          .use(begun)
          .pipe(catchError((error: unknown) => timer(endMs).pipe(mergeMap(() => throwError(() => error))))),
        run.ended$.pipe(
          mergeMap(() => wordsOf(vmmLog, vmmStart)),
          mergeMap((words) => throwError(() => new LaunchFailed({ reason: words }))),
        ),
      ).pipe(take(1)),
    );
    // QEMU has read it, and secrets may be in it.
    await rm(join(home, vmPaths.environ), { force: true });
    return { run, link, ports, isHalted: ramIn !== undefined };
  } catch (error) {
    link.close();
    run.group.signal('SIGKILL');
    await lastValueFrom(run.ended$, { defaultValue: undefined });
    throw error;
  }
}

function argsOf({ vm, ramIsShared, disk, confinement, spec, boot, ramIn }: QemuPlan): readonly string[] {
  return qemuArgs(vm, {
    isShared: ramIsShared,
    ...{ disk, confinement },
    boot: boot?.initrd === undefined ? boot : { ...boot, initrd: vmPaths.initrd },
    waits: ramIn !== undefined,
    guestPorts: guestPortsOf(spec),
    reachesHost: spec.network === 'user',
  });
}

/**
 * What the guest gets to know of its instance, in the form of `/proc/<pid>/environ` and `cmdline`. And its initial file system under a
 * name of ours: of a kernel that is no Linux, QEMU takes commas and blanks for the end of that name, and opens what comes next.
 */
async function writeGuestFiles({ home, instanceId, name, spec, secrets, boot }: QemuPlan): Promise<void> {
  const { entrypoint = [], cmd = [] } = spec;
  const variables = Object.entries(guestEnvironment({ instanceId, name, spec, ...(secrets && { secrets }) }));
  const place = async (file: string): Promise<string> => {
    // What lies there may be a link.
    await rm(join(home, file), { force: true });
    return join(home, file);
  };
  const write = async (file: string, parts: readonly string[]): Promise<void> => {
    const text = parts.map((part) => `${part}\0`).join('');
    await writeFile(await place(file), text, { flag: 'wx', mode: 0o600 });
  };
  await write(
    vmPaths.environ,
    variables.map(([key, value]) => `${key}=${value}`),
  );
  await write(vmPaths.cmdline, [...entrypoint, ...cmd]);
  const initrd = await place(vmPaths.initrd);
  if (boot?.initrd !== undefined) await symlink(boot.initrd, initrd);
}

/** What QEMU opens as the guest's console. It opens a pipe for both, so that neither it nor who writes waits for the other. */
async function makeConsole(home: string): Promise<void> {
  const [input, output] = [join(home, vmPaths.consoleInput), join(home, vmPaths.consoleOutput)];
  // What lies there may be anything.
  await Promise.all([input, output].map((path) => rm(path, { force: true, recursive: true })));
  await Promise.all([
    symlink('/dev/null', output),
    runProgram('mkfifo', ['-m', '600', input]).catch((error: unknown) => {
      const reason = isCode(error, 'ENOENT')
        ? 'the program mkfifo is not there'
        : `the console can't be made: ${(error as Error).message}`;
      throw new LaunchFailed({ reason }, { cause: error });
    }),
  ]);
}

/** Which ones were free, QEMU alone knows. */
const portsOf = (qmp: Qmp, ports: readonly ForwardedPort[] = []): Observable<StartedQemu['ports']> =>
  ports.length === 0 ? of([]) : forwardedPorts(qmp);

const wordsOf = (log: LogFiles, start: number): Observable<string> =>
  from(log.read(start)).pipe(
    map(({ bytes }) => {
      const lines = bytes.toString('utf8').trim().split('\n');
      return (
        lines.map((line) => line.replace(/^qemu-system-\w+: /, '')).join('; ') || 'QEMU ended without a word'
      );
    }),
  );

const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  codes.includes(String((error as NodeJS.ErrnoException).code));

const isNotThereYet = (error: unknown): boolean => isCode(error, 'ENOENT', 'ECONNREFUSED');
