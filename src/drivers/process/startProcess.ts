import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { type LaunchPlan, ownMark } from '../driver.js';
import { codeOf } from '../host/codeOf.js';
import type { MachinePort } from '../host/machinePorts.js';
import type { Output } from '../host/outputMessages.js';
import type { Spawner, Started } from '../host/spawner.js';
import type { Keep, Streams } from '../host/spawnerMessages.js';
import { environmentOf, type InheritEnv } from './environmentOf.js';
import { forbiddenProgram } from './forbiddenProgram.js';
import { missingProgram } from './missingProgram.js';
import { programFault } from './programFault.js';
import type { ProgramPlace } from './programFile.js';
import { workPlaceOf } from './workDir.js';

/** How to start a process. */
export interface StartOptions {
  /** With it, it outlives this one. */
  readonly keep?: Keep | undefined;
  readonly inheritEnv?: InheritEnv | undefined;
  /** Where it is to listen. @defaultValue nowhere */
  readonly ports?: readonly MachinePort[];
  /** Makes the error with which it fails; `isMissing` where there is no such program. @defaultValue {@link LaunchFailed} */
  failed?(reason: string, cause: unknown, isMissing: boolean): Error;
}

/**
 * Starts a process that leads a group of its own, without a shell; what it writes goes to the log.
 *
 * @throws {@link LaunchFailed} as a rejection, with its cause
 */
export async function startProcess(
  spawner: Spawner,
  plan: LaunchPlan,
  output: string | Output | Streams,
  { keep, inheritEnv, ports, failed = launchFailed }: StartOptions = {},
): Promise<Started> {
  const [program = '', ...args] = commandOf(plan.spec);
  const env = environmentOf(plan, inheritEnv, ports);
  const { dir, below } = await workPlaceOf(plan);
  const place = { cwd: join(dir, ...below), path: env['PATH'] };
  const fault = programFault(program, place);
  if (fault !== undefined) {
    const cause = Object.assign(new Error(`exec of ${program}: ENOEXEC`), { code: 'ENOEXEC', path: program });
    throw failed(`"${program}" ${fault}`, cause, false);
  }
  try {
    return await spawner.start({
      ...{ program, args, cwd: dir, below, env, output },
      ...(keep !== undefined && { keep }),
      ...(plan.pool !== undefined && { pool: { path: plan.pool, mark: ownMark } }),
    });
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT' && existsSync(place.cwd);
    const attempt = { program, place, below, output };
    throw failed(reasonOf(error as NodeJS.ErrnoException, attempt), error, isMissing);
  }
}

const launchFailed = (reason: string, cause: unknown): LaunchFailed =>
  new LaunchFailed({ reason }, { cause });

const commandOf = ({ entrypoint = [], cmd = [] }: InstanceSpec): readonly string[] => [...entrypoint, ...cmd];

interface Attempt {
  readonly program: string;
  readonly place: ProgramPlace;
  readonly below: readonly string[];
  readonly output: string | Output | Streams;
}

function reasonOf(error: NodeJS.ErrnoException, { program, place, below, output }: Attempt): string {
  const { code, path } = error;
  if (code === 'ENOENT' && !existsSync(place.cwd)) {
    return below.length === 0
      ? 'the instance has no working directory'
      : `there is no directory ${below.join('/')} in the working directory`;
  }
  if (path === output) return `the log cannot be opened: ${messageOf(error)}`;
  if (path !== program) return messageOf(error);
  switch (code) {
    case 'ENOENT':
      return missingProgram(program, place);
    case 'EACCES':
      return forbiddenProgram(program, place);
    default:
      return messageOf(error);
  }
}
