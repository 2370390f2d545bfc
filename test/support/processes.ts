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

/** What the kernel tells of a process that has not ended: the letter of its state, and its group. */
export function kernelViewOf(pid: number): { readonly state: string; readonly group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    const [state = '', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : { state, group: Number(group) };
  } catch {
    return undefined;
  }
}
