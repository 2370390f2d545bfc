import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { type Observable, ReplaySubject } from 'rxjs';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { Exit, InstanceSpec } from '../../lifecycle/instance.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import type { LaunchPlan } from '../driver.js';
import { workDirOf } from './workDir.js';

/** Variables that a process gets from this one; all others are the instance's own. */
const inherited = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR)$/;

/** A process that was started. */
export interface Started {
  readonly pid: number;
  /** Emits how it ended, once it has; to late subscribers too. */
  readonly ended$: Observable<Exit>;
  /** Lets Node end before it does. */
  unref(): void;
}

/**
 * Starts a process that leads a group of its own, without a shell; what it writes goes to the log.
 *
 * @throws {@link LaunchFailed} as a rejection, with its cause
 */
export async function startProcess(plan: LaunchPlan, logPath: string): Promise<Started> {
  try {
    const child = spawnInto(logPath, plan);
    const ended$ = endOf(child);
    await once(child, 'spawn');
    return {
      pid: child.pid as number,
      ended$,
      unref: () => {
        child.unref();
      },
    };
  } catch (error) {
    throw new LaunchFailed(reasonOf(plan, error), { cause: error });
  }
}

/** Opens the log within one turn only, so that a thousand launches at once hold one file open, not a thousand. */
function spawnInto(logPath: string, plan: LaunchPlan): ChildProcess {
  const [program = '', ...args] = commandOf(plan.spec);
  const log = openSync(logPath, 'a', 0o600);
  try {
    return spawn(program, args, {
      cwd: workDirOf(plan.home),
      env: environmentOf(plan),
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}

const commandOf = ({ entrypoint = [], cmd = [] }: InstanceSpec): readonly string[] => [...entrypoint, ...cmd];

function endOf(child: ChildProcess): Observable<Exit> {
  const ended$ = new ReplaySubject<Exit>(1);
  child.once('exit', (code, signal) => {
    ended$.next({ code, signal });
    ended$.complete();
  });
  return ended$;
}

function environmentOf({ instanceId, name, spec }: LaunchPlan): NodeJS.ProcessEnv {
  const ours = Object.entries(process.env).filter(([key]) => inherited.test(key));
  return { ...Object.fromEntries(ours), ...spec.env, INSTANCE_ID: instanceId, INSTANCE_NAME: name };
}

function reasonOf({ spec, home }: LaunchPlan, error: unknown): string {
  const [program = ''] = commandOf(spec);
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return existsSync(workDirOf(home))
        ? `there is no program "${program}", or none that its first line names`
        : 'the instance has no working directory';
    case 'EACCES':
      return `"${program}" may not be executed`;
    default:
      return messageOf(error);
  }
}
