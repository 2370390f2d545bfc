import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createProcessDriver, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';

/** Starts processes that sleep, and ends them. */
export interface Starter {
  /** Resolves once the process runs, and tells its pid. */
  start(): Promise<number>;
  /** Ends all that were started. */
  endAll(): Promise<void>;
  /** Ends what still runs, and leaves no file. */
  close(): Promise<void>;
}

const sleeper = ['sleep', '60'] as const;

/** Through `create` of a manager: an instance with a home, a log and a record, until it is Running. */
export async function openManagedStarter(): Promise<Starter> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  let started: string[] = [];
  let count = 0;
  return {
    start: async () => {
      count += 1;
      const request = { name: `sleeper-${String(count)}`, image: 'scratch', entrypoint: sleeper };
      const { id, state, handle } = await firstValueFrom(manager.create(request));
      started.push(id);
      return state === 'Running' ? (handle?.pid ?? NaN) : NaN;
    },
    endAll: async () => {
      for (const id of started) await firstValueFrom(manager.delete(id));
      started = [];
    },
    close: () => manager.close(),
  };
}

/** Through Node's own `spawn`, and nothing around it. */
export function createBareStarter(): Starter {
  let started: ChildProcess[] = [];
  const endAll = async (): Promise<void> => {
    for (const child of started) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    started = [];
  };
  return {
    start: async () => {
      const [program, ...args] = sleeper;
      const child = spawn(program, args, { detached: true, stdio: 'ignore' });
      await once(child, 'spawn');
      started.push(child);
      return child.pid ?? NaN;
    },
    endAll,
    close: endAll,
  };
}
