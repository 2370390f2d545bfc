import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { firstValueFrom, map, share, timer } from 'rxjs';

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
  /** The environment with which a process began, as `NAME=value`; nothing where that can't be told. */
  environment(pid: number): Promise<readonly string[]>;
}

/** What the kernel writes of a process into `/proc`: made when it is read, so that waiting for a thread would cost more. */
const entryOf = (pid: number): ProcessEntry | undefined => {
  const text = readStat(pid);
  // The name stands in parentheses and may hold any character.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, , group] = fields;
  const startTime = fields[19];
  if (state === undefined || startTime === undefined) return undefined;
  return { pid, group: Number(group), state, startTime };
};

const readStat = (pid: number): string => {
  try {
    return readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It ended before the file was opened, or before it was read.
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
};

/** Looks at every process, once for all who ask in the same turn. */
const everyEntry$ = timer(0).pipe(
  map(() =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => entryOf(Number(pid)))
      .filter((entry) => entry !== undefined),
  ),
  share(),
);

const linux: ProcessTable = {
  bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  find: async (pid) => Promise.resolve(entryOf(pid)),
  group: async (group) => (await firstValueFrom(everyEntry$)).filter(isLiveMemberOf(group)),
  environment: (pid) =>
    readFile(`/proc/${String(pid)}/environ`, 'utf8').then(
      (text) => text.split('\0'),
      () => [],
    ),
};

const run = promisify(execFile);

const ps = async (...selection: readonly string[]): Promise<readonly ProcessEntry[]> => {
  const columns = ['-o', 'pid=,pgid=,state=,lstart='];
  // Whatever language and time zone this process has: another one may compare what it is told.
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const { stdout } = await run('ps', [...selection, ...columns], { env }).catch((error: unknown) => {
    // It ends with 1 when it finds no process. That it could not be run says nothing of those.
    if ((error as { readonly code?: unknown }).code === 1) return { stdout: '' };
    throw error;
  });
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
  environment: () => Promise.resolve([]),
};

const isLiveMemberOf =
  (group: number) =>
  (entry: ProcessEntry): boolean =>
    entry.group === group && entry.state !== 'Z' && entry.state !== 'X';

const table = process.platform === 'linux' ? linux : macos;
let bootId: Promise<string> | undefined;

/** The table of this machine. */
export const processTable: ProcessTable = { ...table, bootId: () => (bootId ??= table.bootId()) };
