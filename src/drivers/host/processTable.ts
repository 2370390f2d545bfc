import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { firstValueFrom, map, share, timer } from 'rxjs';

/** What the operating system shows of one process. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** On macOS, which shows none, the same as the group. */
  readonly session: number;
  readonly hasTerminal: boolean;
  /**
   * The state's letter, the same on Linux and macOS: `T` is halted, `Z` has ended. On Linux, that of another thread where the
   * first has ended and another has not: the process lives.
   */
  readonly state: string;
  /** When it started, in a form that only comparisons may use. Together with the boot it shows whether a pid was reused. */
  readonly startTime: string;
}

/** Reads the processes of this machine. */
export interface ProcessTable {
  /** Names the time since the machine was started. */
  bootId(): Promise<string>;
  find(pid: number): Promise<ProcessEntry | undefined>;
  /** The processes of a group that have not ended. */
  group(group: number): Promise<readonly ProcessEntry[]>;
  /** The group of a process now, where it costs nothing to read. */
  groupOf(pid: number): number | undefined;
  /** When a process started, where it costs nothing to read. */
  startTimeOf(pid: number): string | undefined;
  /** All that have not ended. */
  all(): Promise<readonly ProcessEntry[]>;
  /** The environment with which a process began, as `NAME=value`; nothing where it can't be read. */
  environment(pid: number): Promise<readonly string[]>;
  /** What its command line says. */
  commandLine(pid: number): Promise<readonly string[]>;
  /** The user as whom it acts; `undefined` where there is no process. */
  user(pid: number): Promise<number | undefined>;
  /** Where it works and what it writes to, as far as that can be read. */
  places(pid: number): Promise<readonly string[]>;
}

/** What the kernel writes of a process into `/proc`: made when it is read, so that waiting for a thread would cost more. */
const entryOf = (pid: number): ProcessEntry | undefined => {
  const fields = statOf(placeOf(pid));
  const [first, parent, group, session, terminal] = fields;
  const startTime = fields[19];
  if (first === undefined || startTime === undefined) return undefined;
  // The kernel shows the state of the first thread as that of the process.
  const thread = first === 'Z' ? liveThreadOf(pid) : undefined;
  const state = thread === undefined ? first : (statOf(thread)[0] ?? first);
  const hasTerminal = terminal !== '0';
  return {
    ...{ pid, parent: Number(parent), group: Number(group), session: Number(session) },
    ...{ hasTerminal, state, startTime },
  };
};

const placeOf = (pid: number): string => `/proc/${String(pid)}`;

/** The place in `/proc` of a thread that has not ended, of a process whose first has. */
const liveThreadOf = (pid: number): string | undefined => {
  const threads = `${placeOf(pid)}/task`;
  return namesIn(threads)
    .map((name) => `${threads}/${name}`)
    .find((thread) => !ended.includes(statOf(thread)[0]));
};

const ended: readonly (string | undefined)[] = ['Z', 'X', undefined];

const namesIn = (path: string): readonly string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/** The fields of `stat` from the state on; none of what has ended. */
const statOf = (place: string): readonly string[] => {
  const text = readStat(place);
  // The name stands in parentheses and may hold any character.
  return text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ');
};

const readStat = (place: string): string => {
  try {
    return readFileSync(`${place}/stat`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It ended before the file was opened, or before it was read.
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
};

/** Reads every process, once for all who ask in the same turn. */
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
  groupOf: (pid) => entryOf(pid)?.group,
  startTimeOf: (pid) => entryOf(pid)?.startTime,
  all: async () => (await firstValueFrom(everyEntry$)).filter(isLive),
  environment: async (pid) => Promise.resolve(inThread(pid, (place) => textsOf(`${place}/environ`))),
  commandLine: async (pid) => Promise.resolve(inThread(pid, (place) => textsOf(`${place}/cmdline`))),
  user: (pid) =>
    stat(`/proc/${String(pid)}`).then(
      ({ uid }) => uid,
      () => undefined,
    ),
  places: async (pid) =>
    Promise.resolve(
      inThread(pid, (place) => ['cwd', 'fd/1', 'fd/2'].flatMap((name) => targetOf(`${place}/${name}`))),
    ),
};

/** What `/proc` shows of a process; a first thread that has ended shows nothing of memory and files, another one does. */
const inThread = (pid: number, look: (place: string) => readonly string[]): readonly string[] => {
  const found = look(placeOf(pid));
  if (found.length > 0 || statOf(placeOf(pid))[0] !== 'Z') return found;
  const thread = liveThreadOf(pid);
  return thread === undefined ? found : look(thread);
};

const textsOf = (path: string): readonly string[] => {
  try {
    const text = readFileSync(path, 'utf8');
    return text === '' ? [] : text.split('\0');
  } catch {
    return [];
  }
};

const targetOf = (path: string): readonly string[] => {
  try {
    return [readlinkSync(path)];
  } catch {
    return [];
  }
};

const run = promisify(execFile);

const ps = async (...selection: readonly string[]): Promise<readonly ProcessEntry[]> => {
  const columns = ['-o', 'pid=,ppid=,pgid=,tty=,state=,lstart='];
  // Whatever language and time zone this process has: another one may compare what it reads.
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const { stdout } = await run('ps', [...selection, ...columns], { env }).catch((error: unknown) => {
    // It ends with 1 when it finds no process. That it could not be run says nothing of those.
    if ((error as { readonly code?: unknown }).code === 1) return { stdout: '' };
    throw error;
  });
  return stdout
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S)\S*\s+(.+?)\s*$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, group, terminal = '', state = '', startTime = '']) => ({
      ...{ pid: Number(pid), parent: Number(parent), group: Number(group), session: Number(group) },
      // It writes `??` where there is none.
      ...{ hasTerminal: !terminal.startsWith('?'), state, startTime },
    }));
};

const macos: ProcessTable = {
  bootId: async () => (await run('sysctl', ['-n', 'kern.boottime'])).stdout.trim(),
  find: async (pid) => (await ps('-p', String(pid)))[0],
  group: async (group) => (await ps('-A')).filter(isLiveMemberOf(group)),
  groupOf: () => undefined,
  startTimeOf: () => undefined,
  all: async () => (await ps('-A')).filter(isLive),
  environment: (pid) => wordsOf('-E', '-o', 'command=', '-p', String(pid)),
  commandLine: (pid) => wordsOf('-o', 'command=', '-p', String(pid)),
  user: async (pid) => Number((await wordsOf('-o', 'uid=', '-p', String(pid)))[0] ?? NaN),
  places: () => Promise.resolve([]),
};

/** On macOS command line and environment come as one line. */
const wordsOf = (...selection: readonly string[]): Promise<readonly string[]> =>
  run('ps', ['-ww', ...selection]).then(
    ({ stdout }) => stdout.trim().split(/\s+/),
    () => [],
  );

const isLive = ({ state }: ProcessEntry): boolean => state !== 'Z' && state !== 'X';

const isLiveMemberOf =
  (group: number) =>
  (entry: ProcessEntry): boolean =>
    entry.group === group && isLive(entry);

const table = process.platform === 'linux' ? linux : macos;
let bootId: Promise<string> | undefined;

/** The table of this machine. */
export const processTable: ProcessTable = { ...table, bootId: () => (bootId ??= table.bootId()) };
