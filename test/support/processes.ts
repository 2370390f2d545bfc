import { readdirSync, readFileSync } from 'node:fs';

/** Pids of the processes that have this variable in their environment, as the kernel tells it. */
export function processesWith(variable: string, value: string): readonly number[] {
  const wanted = `\0${variable}=${value}\0`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return (
          !Number.isNaN(pid) && `\0${readFileSync(`/proc/${String(pid)}/environ`, 'utf8')}`.includes(wanted)
        );
      } catch {
        // It has ended meanwhile, or is not ours to look at.
        return false;
      }
    });
}

/** Pids of all processes of an instance. Those that have ended and were not reaped yet have no environment. */
export const processesOf = (instanceId: string): readonly number[] =>
  processesWith('INSTANCE_ID', instanceId);
