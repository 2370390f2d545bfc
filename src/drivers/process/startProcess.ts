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
import type { Identity } from '../host/identity.js';
import type { Command, Keep, Streams } from '../host/spawnerMessages.js';
import { environmentOf, type InheritEnv } from './environmentOf.js';
import { forbiddenProgram } from './forbiddenProgram.js';
import { missingProgram } from './missingProgram.js';
import { limitsOf } from './processLimits.js';
import { programFault } from './programFault.js';
import type { ProgramPlace } from './programFile.js';
import { unfitFor } from './unfitFor.js';
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
  const { limits, identity } = limitsOf(plan.spec);
  const env = environmentOf(plan, { inheritEnv, ports, identity });
  const { dir, below } = await workPlaceOf(plan);
  const place = { cwd: join(dir, ...below), path: env['PATH'] };
  if (limits !== undefined && existsSync(place.cwd)) {
    const unfit = unfitFor(program, place, identity);
    if (unfit !== undefined) {
      const { text, isMissing } = unfit;
      throw failed(text, execError(program, isMissing ? 'ENOENT' : 'EACCES'), isMissing);
    }
  }
  const fault = programFault(program, place);
  if (fault !== undefined) throw failed(`"${program}" ${fault}`, execError(program, 'ENOEXEC'), false);
  try {
    return await spawner.start({
      ...{ program, args, cwd: dir, below, env, output },
      ...(keep !== undefined && { keep }),
      ...(limits !== undefined && { limits }),
      ...(identity !== undefined && { user: userOf(identity) }),
      ...(plan.pool !== undefined && { pool: { path: plan.pool, mark: ownMark } }),
    });
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT' && existsSync(place.cwd);
    const attempt = { program, place, below, output };
    throw failed(reasonOf(error as NodeJS.ErrnoException, attempt), error, isMissing);
  }
}

/** What is known before the kernel would say it. */
const execError = (program: string, code: string): Error =>
  Object.assign(new Error(`exec of ${program}: ${code}`), { code, path: program });

const userOf = ({ uid, gid, groups }: Identity): NonNullable<Command['user']> => ({ uid, gid, groups });

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
