import { readdirSync, readFileSync } from 'node:fs';

/** Pids of processes that still belong to one of these instances. */
export function processesLeft(ids: ReadonlySet<string>, pids: ReadonlySet<number>): readonly number[] {
  return process.platform === 'linux' ? byEnvironment(ids) : [...pids].filter(isAlive);
}

/** As the kernel tells it: a pid may have become another's. */
function byEnvironment(ids: ReadonlySet<string>): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${String(pid)}/environ`, 'utf8');
        return ids.has(/(?:^|\0)INSTANCE_ID=([^\0]*)/.exec(environment)?.[1] ?? '');
      } catch {
        // It has ended meanwhile, or is no process of ours.
        return false;
      }
    });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** What keeps this process alive, beside its input and output. */
export const handlesLeft = (): readonly string[] =>
  process
    .getActiveResourcesInfo()
    .filter((name) => !/^(TTYWrap|PipeWrap|TCPSocketWrap|Immediate)$/.test(name));
