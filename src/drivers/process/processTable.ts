import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** What the operating system tells of one process. */
export interface ProcessEntry {
  readonly pid: number;
  readonly group: number;
  /** The state's letter, the same on Linux and macOS: `T` is halted, `Z` has ended. */
  readonly state: string;
  /** When it started, in a form that only comparisons may use. Together with the boot it tells a pid from a reused one. */
  readonly startTime: string;
}

/** Looks at the processes of this machine. */
export interface ProcessTable {
  /** Names the time since the machine was started. */
  bootId(): Promise<string>;
  find(pid: number): Promise<ProcessEntry | undefined>;
  /** The processes of a group that have not ended. */
  group(group: number): Promise<readonly ProcessEntry[]>;
}

const linux: ProcessTable = {
  bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  find: async (pid) => {
    const text = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
    // The name stands in parentheses and may hold any character.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state, , group] = fields;
    const startTime = fields[19];
    if (state === undefined || startTime === undefined) return undefined;
    return { pid, group: Number(group), state, startTime };
  },
  group: async (group) => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const entries = await Promise.all(pids.map((pid) => linux.find(Number(pid))));
    return entries.filter((entry) => entry !== undefined).filter(isLiveMemberOf(group));
  },
};

const run = promisify(execFile);

const ps = async (...selection: readonly string[]): Promise<readonly ProcessEntry[]> => {
  const columns = ['-o', 'pid=,pgid=,state=,lstart='];
  // It fails when it finds no process.
  const { stdout } = await run('ps', [...selection, ...columns]).catch(() => ({ stdout: '' }));
  return stdout
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S)\S*\s+(.+?)\s*$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, group, state = '', startTime = '']) => ({
      pid: Number(pid),
      group: Number(group),
      state,
      startTime,
    }));
};

const macos: ProcessTable = {
  bootId: async () => (await run('sysctl', ['-n', 'kern.boottime'])).stdout.trim(),
  find: async (pid) => (await ps('-p', String(pid)))[0],
  group: async (group) => (await ps('-A')).filter(isLiveMemberOf(group)),
};

const isLiveMemberOf =
  (group: number) =>
  (entry: ProcessEntry): boolean =>
    entry.group === group && entry.state !== 'Z' && entry.state !== 'X';

/** The table of this machine. */
export const processTable = process.platform === 'linux' ? linux : macos;
