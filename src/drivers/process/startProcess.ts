import { existsSync } from 'node:fs';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import type { LaunchPlan } from '../driver.js';
import type { Output } from '../host/outputProgram.js';
import type { Spawner, Started } from '../host/spawner.js';
import type { Keep } from '../host/spawnerProgram.js';
import { missingProgram } from './missingProgram.js';
import { programFault } from './programFault.js';
import { workDirOf } from './workDir.js';

/** Variables that a process gets from this one; all others are the instance's own. */
const inherited = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR)$/;

/**
 * Starts a process that leads a group of its own, without a shell; what it writes goes to the log. With `keep` it outlives
 * this one.
 *
 * @throws {@link LaunchFailed} as a rejection, with its cause
 */
export async function startProcess(
  spawner: Spawner,
  plan: LaunchPlan,
  output: string | Output,
  keep?: Keep,
): Promise<Started> {
  const [program = '', ...args] = commandOf(plan.spec);
  const [cwd, env] = [workDirOf(plan.home), environmentOf(plan)];
  const fault = programFault(program, { cwd, path: env['PATH'] });
  if (fault !== undefined) {
    const cause = Object.assign(new Error(`exec of ${program}: ENOEXEC`), { code: 'ENOEXEC', path: program });
    throw new LaunchFailed(`"${program}" ${fault}`, { cause });
  }
  try {
    return await spawner.start({
      program,
      args,
      cwd,
      env,
      output,
      ...(keep !== undefined && { keep }),
    });
  } catch (error) {
    throw new LaunchFailed(await reasonOf(plan, output, error as NodeJS.ErrnoException), { cause: error });
  }
}

const commandOf = ({ entrypoint = [], cmd = [] }: InstanceSpec): readonly string[] => [...entrypoint, ...cmd];

function environmentOf({ instanceId, name, spec }: LaunchPlan): Readonly<Record<string, string>> {
  const ours = Object.entries(process.env).filter(
    (entry): entry is [string, string] => inherited.test(entry[0]) && entry[1] !== undefined,
  );
  return { ...Object.fromEntries(ours), ...spec.env, INSTANCE_ID: instanceId, INSTANCE_NAME: name };
}

async function reasonOf(
  plan: LaunchPlan,
  output: string | Output,
  error: NodeJS.ErrnoException,
): Promise<string> {
  const { code, path } = error;
  const [program = ''] = commandOf(plan.spec);
  const workDir = workDirOf(plan.home);
  if (code === 'ENOENT' && !existsSync(workDir)) return 'the instance has no working directory';
  if (path === output) return `the log cannot be opened: ${messageOf(error)}`;
  if (path !== program) return messageOf(error);
  switch (code) {
    case 'ENOENT':
      return missingProgram(program, workDir, environmentOf(plan)['PATH']);
    case 'EACCES':
      return `"${program}" may not be executed`;
    default:
      return messageOf(error);
  }
}
