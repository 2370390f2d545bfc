import type { ChildProcess, Serializable } from 'node:child_process';
import type * as Crypto from 'node:crypto';
import type { Output, OutputOrder, OutputReport } from './outputProgram.js';

/** What to start. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Folders to go down from there, none of which may be a link. */
  readonly below?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** File to which stdout and stderr are appended, or the pipes through which they are read. */
  readonly output: string | Output;
  /** A folder on the file system of the pipes, in which others may be made ahead. */
  readonly pool?: string;
  /** A file that it gets open for reading, as its descriptor 3. */
  readonly handedPath?: string;
  /** Where to keep what runs and how it ended. What has it outlives the one that asked for it; what has not is killed then. */
  readonly keep?: Keep;
}

/** A file that tells which process is an instance's, and how it ended. */
export interface Keep {
  /** It lies in a folder of its own, which is made. */
  readonly path: string;
  /** What its handle holds besides what its spawner knows. */
  readonly handle: object;
  /** A secret that proves who wrote how it ended: the file does not hold it. */
  readonly token: string;
  /** Where somebody who knows the secret may write until when what it leaves behind is to be spared. */
  readonly sparePath?: string;
  /** Where an earlier version kept that; removed. */
  readonly formerPath?: string;
}

/** What a spawner is told. */
export type Order =
  | { readonly kind: 'start'; readonly id: number; readonly command: Command }
  /** Lets a process run on whatever becomes of the one that asked for it, and tells of it no more. */
  | { readonly kind: 'forget'; readonly id: number }
  /** Kills what a process leaves behind, should it end, only after that time from now. */
  | { readonly kind: 'spare'; readonly id: number; readonly graceMs: number }
  /** Reads what a process writes that another spawner has started, which is gone with its reader. */
  | { readonly kind: 'read'; readonly id: number; readonly output: Output };

/** What a spawner tells. */
export type Report =
  | {
      readonly kind: 'started';
      readonly id: number;
      readonly pid: number;
      readonly startTime: string;
      /** The control group that it was born in, as the kernel names it. */
      readonly group: string | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly message: string;
      readonly code: string | undefined;
      /** What it was about: the program, or a file. */
      readonly path: string | undefined;
    }
  | {
      readonly kind: 'ended';
      readonly id: number;
      readonly code: number | null;
      readonly signal: string | null;
    };

/** Where a spawner may make control groups: the one that it is in itself. */
export interface GroupsPlace {
  /** Its folder. */
  readonly dir: string;
  /** How the kernel names it. */
  readonly name: string;
}

/**
 * The whole program of a spawner. It runs in a process of its own, to which nothing but its own text is handed: whatever
 * it uses is in it. When the one that it serves is gone, however that came, it kills what is not to outlive that one, and
 * ends once nothing that it has started is left.
 *
 * What instances write another process reads, with the program `outputText`: neither a slow disk nor many lines are to make a
 * start wait. The pipes are open here too, so that nothing is lost when that one is killed.
 *
 * What it starts is born into a control group of its own, where the system allows that: it is itself in the next one
 * already. To enter a group the kernel may have to wait for 10 ms, so that is done beforehand, beside all else.
 */
export function spawnerProgram(servedPid: number, groups?: GroupsPlace, outputText?: string): void {
  const { execFileSync, spawn } = process.getBuiltinModule('node:child_process');
  const fs = process.getBuiltinModule('node:fs');
  const { basename, dirname, join } = process.getBuiltinModule('node:path');
  const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } =
    fs.constants;
  // There is no RxJS here.
  const { setImmediate: nextTurn, setTimeout: later } = process.getBuiltinModule('node:timers');
  const isLinux = process.platform === 'linux';
  const pipeNames = ['stdout', 'stderr'];
  /** Each takes one folder that is open meanwhile. */
  const mostMadeAtOnce = 32;
  /** How many pipes are kept ready in a pool, and how few are left when more are made. */
  const mostInPool = 64;
  const fewInPool = 32;
  /** How long to wait before what failed is tried again, and how often. */
  const restMs = 50;
  const mostTries = 100;
  /** How long the end of a process may be kept back until what it wrote is read. */
  const mostReadMs = 1_000;

  /**
   * What the one that it serves has open without close-on-exec, lmdb its store for one, is inherited, and would be by all that
   * it starts. Node's own have the flag. It has set it on some that it was given, too; those that are files are not its own.
   */
  const closeInherited = (): void => {
    for (const fd of fs.readdirSync('/proc/self/fd').map(Number)) {
      try {
        const [, flags = ''] = /^flags:\s*(\d+)/m.exec(readText(`/proc/self/fdinfo/${String(fd)}`)) ?? [];
        const isNodes = (parseInt(flags, 8) & 0o2000000) !== 0 && !fs.fstatSync(fd).isFile();
        if (fd > 2 && !isNodes) fs.closeSync(fd);
      } catch {
        // That of the listing is closed by now.
      }
    }
  };
  const readText = (path: string): string => fs.readFileSync(path, 'utf8');
  // On macOS Node lets no child inherit more than it names.
  if (isLinux) closeInherited();

  interface Child {
    readonly end: () => void;
    outlives: boolean;
    /** Until when what it leaves behind may go on by itself; `0` where that is ended with it. */
    sparedUntil: number;
  }
  interface RunStart {
    readonly handle: object;
    readonly spawner: object;
    readonly tokenHash: string;
  }
  const children = new Map<number, Child>();

  const report = (it: Report): void => {
    // Whoever is gone needs no telling.
    if (process.connected) process.send?.(it satisfies Serializable, undefined, undefined, () => undefined);
  };

  const fail = (id: number, { message, code, path }: NodeJS.ErrnoException): void => {
    report({ kind: 'failed', id, message, code, path });
  };

  /** The kernel tells sooner than the channel. */
  const isAlone = (): boolean => process.ppid !== servedPid;

  const killGroup = (pid: number): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  };

  /** In the words of the process table. One that has ended is there until its end was heard of, in a later turn. */
  const startTimeOf = (pid: number): string => {
    if (!isLinux) {
      return execFileSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' }).trim();
    }
    const stat = readText(`/proc/${String(pid)}/stat`);
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  };
  const spawner = { pid: process.pid, startTime: startTimeOf(process.pid) };

  /** The group that it is in, for what starts next; `undefined` where it makes none, or is on its way to it. */
  let next: string | undefined;
  let isMoving = false;
  let isStarting = false;
  /** What waits until it is there. */
  const waiting: (() => void)[] = [];
  /** The groups in which it is, or may be: to end one of these would end itself. */
  const around = new Set<string>();
  /** Those of them that are to be ended as soon as it has left. */
  const over = new Set<string>();
  let made = 0;
  let removing = 0;

  const pathIn = (name: string, ...rest: readonly string[]): string => join(groups?.dir ?? '', name, ...rest);

  /** Enters a group for what starts next, and leaves the one that it was in. */
  const moveOn = (left?: string, triesLeft = 3): void => {
    next = undefined;
    isMoving = true;
    const name = `rx-instances.${String(spawner.pid)}.${spawner.startTime}.${String((made += 1))}`;
    around.add(name);
    const entered = (error: NodeJS.ErrnoException | null): void => {
      if (error !== null) {
        around.delete(name);
        remove(name, 0);
        // Somebody who clears empty groups away may have been quicker.
        if (triesLeft > 1 && (error.code === 'ENOENT' || error.code === 'ENODEV')) {
          moveOn(left, triesLeft - 1);
          return;
        }
      } else next = name;
      isMoving = false;
      if (left !== undefined && (next !== undefined || leave())) {
        around.delete(left);
        if (over.delete(left)) endGroup(left);
      }
      startWaiting();
      endWhenDone();
    };
    try {
      fs.mkdirSync(pathIn(name));
      const [path, pid] = [pathIn(name, 'cgroup.procs'), String(process.pid)];
      if (waiting.length === 0) {
        fs.writeFile(path, pid, entered);
        return;
      }
      // Soon after another it takes a tenth of a turn of a thread, and somebody waits for it.
      fs.writeFileSync(path, pid);
    } catch (error) {
      entered(error as NodeJS.ErrnoException);
      return;
    }
    entered(null);
  };

  const startWaiting = (): void => {
    if (isStarting) return;
    isStarting = true;
    while (waiting.length > 0 && !isMoving) waiting.shift()?.();
    isStarting = false;
  };

  /** Goes back to where it was started, and tells whether it is there: what it has started must not hold it. */
  const leave = (): boolean => {
    try {
      fs.writeFileSync(pathIn('cgroup.procs'), String(process.pid));
      return true;
    } catch {
      return false;
    }
  };

  /** Not at once: while a process anywhere changes its group, the kernel lets whoever makes or removes one wait. */
  const remove = (name: string, triesLeft: number): void => {
    removing += 1;
    fs.rmdir(pathIn(name), (error) => {
      removing -= 1;
      // What was killed takes a moment to be gone.
      if (error?.code !== 'EBUSY' || triesLeft === 0) {
        endWhenDone();
        return;
      }
      removing += 1;
      later(() => {
        removing -= 1;
        remove(name, triesLeft - 1);
      }, 5);
    });
  };

  const isPopulated = (name: string): boolean => {
    try {
      return readText(pathIn(name, 'cgroup.events')).includes('populated 1');
    } catch {
      return false;
    }
  };

  const endGroup = (name: string): void => {
    if (around.has(name)) {
      over.add(name);
      return;
    }
    if (!isPopulated(name)) {
      remove(name, 100);
      return;
    }
    removing += 1;
    // Where the kernel is too old for that, whoever is told of the end looks after it.
    fs.writeFile(pathIn(name, 'cgroup.kill'), '1', () => {
      removing -= 1;
      remove(name, 100);
    });
  };

  /** Those that were left empty by whoever was killed. */
  const sweep = (dir: string): void => {
    for (const name of fs.readdirSync(dir)) if (name.startsWith('rx-instances.')) remove(name, 0);
  };

  /** How a name in a folder is reached that nobody can put another in the place of. */
  const within = (folder: number, path: string): string =>
    isLinux ? `/proc/self/fd/${String(folder)}/${basename(path)}` : path;

  /** Does something in a folder, which is not followed if it is a link; what fails is told by its true path. */
  const inFolder = <T>(path: string, work: (folder: number) => T): T => {
    let folder: number | undefined;
    try {
      folder = fs.openSync(dirname(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      return work(folder);
    } catch (error) {
      const { path: shown, message, code } = error as NodeJS.ErrnoException;
      if (code === undefined || shown === undefined) throw error;
      throw Object.assign(new Error(message.replace(`'${shown}'`, `'${path}'`)), { code, path });
    } finally {
      if (folder !== undefined) fs.closeSync(folder);
    }
  };

  const refuse = (path: string, reason: string): never => {
    throw Object.assign(new Error(reason), { code: 'EINVAL', path });
  };

  /** Opens a plain file of ours, and nothing else: neither through a link, nor so that a pipe could make it wait. */
  const openFile = (path: string, flags: number): number =>
    inFolder(path, (folder) => {
      const file = fs.openSync(within(folder, path), flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
      const found = fs.fstatSync(file);
      if (found.isFile() && found.uid === process.geteuid?.()) return file;
      fs.closeSync(file);
      return refuse(path, 'it is not a plain file of this user');
    });

  /** Opens the folder to work in itself, not what a link in its place leads to. */
  const openFolder = (path: string): number => {
    try {
      return inFolder(path, (folder) =>
        fs.openSync(within(folder, path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
      );
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code !== 'ELOOP' && code !== 'ENOTDIR') throw error;
      const message = `${path} is no folder, or a link stands in its place`;
      throw Object.assign(new Error(message), { code, path });
    }
  };

  /** Goes down from a folder, through no link, and closes what it leaves. */
  const goDown = (folder: number, path: string): number => {
    try {
      return fs.openSync(within(folder, path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const what = code === 'ENOENT' ? 'is not there' : 'is no folder that may be entered, or a link';
      throw Object.assign(new Error(`${path} ${what}`), { code, path });
    } finally {
      fs.closeSync(folder);
    }
  };

  /** A folder that nobody else can enter. What an instance has put in its place is taken away, but for a folder. */
  const makeFolder = (path: string): void => {
    const made = fs.lstatSync(path, { throwIfNoEntry: false });
    if (made !== undefined && !made.isDirectory()) fs.unlinkSync(path);
    if (made?.isDirectory() !== true) fs.mkdirSync(path, { mode: 0o700 });
    else if (made.uid !== process.geteuid?.()) refuse(path, `the folder ${path} is not of this user`);
    else if ((made.mode & 0o777) !== 0o700) fs.chmodSync(path, 0o700);
  };

  /** To look first costs a tenth of a failure. */
  const removeFile = (path: string): void => {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) fs.rmSync(path, { force: true });
  };

  /** Whoever reads the file finds the one text or the other, never a part. */
  const write = (path: string, record: object): void => {
    inFolder(path, (folder) => {
      const part = within(folder, `${path}.new`);
      removeFile(part);
      const file = fs.openSync(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        fs.writeFileSync(file, JSON.stringify(record));
        fs.renameSync(part, within(folder, path));
      } catch (error) {
        fs.rmSync(part, { force: true });
        throw error;
      } finally {
        fs.closeSync(file);
      }
    });
  };

  // Only where something is kept is there a need for it.
  const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto');
  const hashOf = (token: string): string => crypto().hash('sha256', token);

  const macOf = (token: string, what: readonly unknown[]): string =>
    crypto().createHmac('sha256', token).update(JSON.stringify(what)).digest('hex');

  /** What can't be understood holds nothing. */
  const readFields = (path: string): Readonly<Record<string, unknown>> => {
    try {
      const file = openFile(path, O_RDONLY);
      try {
        const bytes = Buffer.alloc(65_536);
        const length = fs.readSync(file, bytes);
        return { ...(JSON.parse(bytes.toString('utf8', 0, length)) as object) };
      } finally {
        fs.closeSync(file);
      }
    } catch {
      return {};
    }
  };

  /** Whether a later run has written there by now. */
  const isAnothers = (path: string, hash: string): boolean => {
    const { tokenHash } = readFields(path) as { readonly tokenHash?: unknown };
    return typeof tokenHash === 'string' && tokenHash !== hash;
  };

  /** How long somebody who has adopted a process wants what a process leaves behind to be spared, in milliseconds. */
  const sparedByFile = ({ token, sparePath }: Keep): number => {
    if (sparePath === undefined) return 0;
    const { until, mac } = readFields(sparePath) as { readonly until?: unknown; readonly mac?: unknown };
    if (typeof until !== 'number' || mac !== macOf(token, ['spare', until])) return 0;
    return until - Number(process.hrtime.bigint() / BigInt(1_000_000));
  };

  const keepExit = (
    { path, token }: Keep,
    run: RunStart,
    code: number | null,
    signal: string | null,
  ): void => {
    const mac = macOf(token, [code, signal]);
    try {
      if (!isAnothers(path, run.tokenHash)) write(path, { ...run, exit: { code, signal }, mac });
    } catch {
      // The home is gone by now, or damaged. Then nobody will be able to tell how it ended.
    }
  };

  interface Reader {
    readonly process: ChildProcess;
    /** The runs whose output it reads. */
    readonly reads: Set<number>;
  }
  interface Read {
    readonly output: Output;
    /** By which the pipes stay open until all is read. Nobody writes by these, so that their end can be seen. */
    held: readonly number[];
    /** What waits until all is read that was written so far. */
    readonly waiting: (() => void)[];
    isRead: boolean;
    /** Whether its process has ended. */
    isLate: boolean;
  }
  const reads = new Map<number, Read>();
  /** How many ends are kept back until what was written is read. */
  let ending = 0;
  const readers = new Set<Reader>();
  /** The one that is given what comes next. */
  let reader: Reader | undefined;

  const openReader = (): Reader => {
    // It must not be born into the group of an instance.
    const isAway = next !== undefined && leave();
    const child = spawn(process.execPath, ['-', 'rx-instances-output'], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    });
    if (isAway) fs.writeFileSync(pathIn(next ?? '', 'cgroup.procs'), String(process.pid));
    const opened: Reader = { process: child, reads: new Set() };
    readers.add(opened);
    const lose = (): void => {
      if (!readers.delete(opened)) return;
      if (reader === opened) reader = undefined;
      for (const id of opened.reads) readSoon(id);
      if (making?.by === opened) later(askForPipes, restMs);
      endWhenDone();
    };
    child.on('message', (it: OutputReport) => {
      hearReader(opened, it);
    });
    child.once('error', lose);
    child.once('exit', lose);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`(${String(outputText)})()`);
    return opened;
  };

  const tellReader = ({ process: to }: Reader, order: OutputOrder): void => {
    if (to.connected) to.send(order, () => undefined);
  };

  const readOutput = (id: number): void => {
    const read = reads.get(id);
    if (read === undefined) return;
    try {
      if (read.held.length === 0) read.held = openPipes(read.output, O_RDONLY | O_NONBLOCK);
      reader ??= openReader();
    } catch (error) {
      if (isForNow(error)) readSoon(id);
      else endRead(id, read);
      return;
    }
    reader.reads.add(id);
    const [stdout, stderr] = read.held.map((fd) => `/proc/${String(process.pid)}/fd/${String(fd)}`);
    tellReader(reader, { kind: 'read', id, output: read.output, paths: [stdout ?? '', stderr ?? ''] });
    if (read.waiting.length > 0) tellReader(reader, { kind: 'drain', id });
  };

  const readSoon = (id: number): void => {
    later(() => {
      readOutput(id);
    }, restMs);
  };

  /** Whether it fails for want of what others have now. */
  const isForNow = (error: unknown): boolean =>
    ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'].includes((error as NodeJS.ErrnoException).code ?? '');

  const hearReader = (from: Reader, it: OutputReport): void => {
    if (it.kind === 'made') {
      const message = `no pipes could be made for what it writes (its output can be written to a file): ${String(it.failure)}`;
      making?.done(
        it.failure === undefined ? undefined : Object.assign(new Error(message), { code: it.code }),
      );
      return;
    }
    const { kind, id } = it;
    const read = reads.get(id);
    if (read === undefined) return;
    switch (kind) {
      case 'reading':
        read.isRead = true;
        break;
      case 'failed':
        from.reads.delete(id);
        // It has no descriptor left, and the next has all of its own.
        if (reader === from && from.reads.size > 0) reader = undefined;
        readSoon(id);
        break;
      case 'drained':
        for (const then of read.waiting.splice(0)) then();
        break;
      case 'over':
        from.reads.delete(id);
        endRead(id, read);
    }
  };

  const endRead = (id: number, read: Read): void => {
    reads.delete(id);
    letGo(read);
    for (const then of read.waiting.splice(0)) then();
    endWhenDone();
  };

  const letGo = (read: Read): void => {
    for (const fd of read.held) fs.closeSync(fd);
    read.held = [];
  };

  /** Does something once all is in the log that a process has written so far, or nobody can write any more. */
  const onceRead = (id: number, then: () => void): void => {
    onceOver(id, then);
    for (const it of readers) if (it.reads.has(id)) tellReader(it, { kind: 'drain', id });
  };

  /** Does something once nobody can write any more of a process, and all is in the log; after a second at the latest. */
  const onceOver = (id: number, then: () => void): void => {
    const read = reads.get(id);
    if (read === undefined) {
      then();
      return;
    }
    read.isLate = true;
    ending += 1;
    let isDone = false;
    const once = (): void => {
      if (isDone) return;
      isDone = true;
      ending -= 1;
      then();
    };
    read.waiting.push(once);
    later(once, mostReadMs);
  };

  /** Opens the pipes that bear the names, and nothing else that may bear them by now. */
  const openPipes = ({ pipes }: Output, flags: number): readonly number[] => {
    const opened: number[] = [];
    try {
      for (const name of pipeNames) {
        const path = join(pipes, name);
        const fd = inFolder(path, (folder) => fs.openSync(within(folder, path), flags | O_NOFOLLOW));
        opened.push(fd);
        const found = fs.fstatSync(fd);
        if (!found.isFIFO() || found.uid !== process.geteuid?.())
          refuse(path, 'it is not a pipe of this user');
      }
      return opened;
    } catch (error) {
      for (const fd of opened) fs.closeSync(fd);
      throw error;
    }
  };

  interface Wanted {
    readonly output: Output;
    readonly then: (error?: NodeJS.ErrnoException) => void;
  }
  const wanted: Wanted[] = [];

  /** The names of the pipes that lie ready in each pool. */
  const pools = new Map<string, string[]>();
  const pooled = /^\d{1,10}\.\d{1,16}$/;
  let pooledSoFar = 0;

  const isPipe = (path: string): boolean => {
    const found = fs.lstatSync(path, { throwIfNoEntry: false });
    return found?.isFIFO() === true && found.uid === process.geteuid?.();
  };

  /** The names of a pool that is used for the first time: somebody who was killed may have left some. */
  const poolAt = (path: string): string[] => {
    const known = pools.get(path);
    if (known !== undefined) return known;
    makeFolder(path);
    const names = fs
      .readdirSync(path)
      .filter((name) => pooled.test(name) && isPipe(join(path, name)))
      .slice(0, mostInPool);
    pools.set(path, names);
    return names;
  };

  /** Moves pipes out of a pool to where they are wanted, and tells whether there were any. */
  const takeFrom = (pool: string, { pipes }: Output): boolean => {
    const folders: number[] = [];
    try {
      const names = poolAt(pool);
      if (names.length < pipeNames.length) return false;
      makeFolder(pipes);
      const [from, to] = [openFolder(pool), openFolder(pipes)];
      folders.push(from, to);
      for (const name of pipeNames) fs.renameSync(within(from, names.pop() ?? ''), within(to, name));
      return true;
    } catch {
      // Who makes them where they are wanted is told why that fails.
      return false;
    } finally {
      for (const folder of folders) fs.closeSync(folder);
    }
  };

  const emptyPools = (): void => {
    for (const [pool, names] of pools) {
      try {
        for (const name of names) fs.rmSync(join(pool, name), { force: true });
        fs.rmdirSync(pool);
      } catch {
        // It holds something else, or is gone by now.
      }
    }
    pools.clear();
  };

  /** What is made in one folder, which is open meanwhile. */
  interface Made {
    readonly folder: number;
    readonly names: readonly string[];
    readonly then: (error?: NodeJS.ErrnoException) => void;
  }
  interface Making {
    readonly paths: readonly string[];
    readonly done: (error?: NodeJS.ErrnoException) => void;
    /** Who was asked; a program of ours would be born into the group of an instance, and halt or end with it. */
    by: Reader | undefined;
  }
  let making: Making | undefined;

  const askForPipes = (): void => {
    if (making === undefined) return;
    try {
      making.by = reader ??= openReader();
      tellReader(making.by, { kind: 'make', paths: making.paths });
    } catch {
      later(askForPipes, restMs);
    }
  };

  const madeFor = ({ output: { pipes }, then }: Wanted): readonly Made[] => {
    let folder: number | undefined;
    try {
      makeFolder(pipes);
      folder = openFolder(pipes);
      for (const name of pipeNames) removeFile(within(folder, name));
      return [{ folder, names: pipeNames, then }];
    } catch (error) {
      if (folder !== undefined) fs.closeSync(folder);
      then(error as NodeJS.ErrnoException);
      return [];
    }
  };

  const madeAhead = ([pool, names]: readonly [string, string[]]): readonly Made[] => {
    if (names.length > fewInPool) return [];
    try {
      const folder = openFolder(pool);
      const more = Array.from(
        { length: mostInPool - names.length },
        () => `${String(process.pid)}.${String((pooledSoFar += 1))}`,
      );
      const then = (): void => {
        names.push(...more.filter((name) => isPipe(join(pool, name))));
      };
      return [{ folder, names: more, then }];
    } catch {
      // It is made anew by the next that is started.
      pools.delete(pool);
      return [];
    }
  };

  /** Has the pipes made of all that wait for some, and those that are missing in the pools, in one go. */
  const makePipes = (): void => {
    if (making !== undefined) return;
    const all = [...wanted.splice(0, mostMadeAtOnce).flatMap(madeFor), ...[...pools].flatMap(madeAhead)];
    if (all.length === 0) {
      if (wanted.length > 0) nextTurn(makePipes);
      return;
    }
    const paths = all.flatMap(({ folder, names }) =>
      names.map((name) => `/proc/${String(process.pid)}/fd/${String(folder)}/${name}`),
    );
    const done = (error?: NodeJS.ErrnoException): void => {
      making = undefined;
      for (const { folder } of all) fs.closeSync(folder);
      for (const { then } of all) then(error);
      if (!process.connected) {
        emptyPools();
        endWhenDone();
      } else if (wanted.length > 0) makePipes();
    };
    making = { paths, done, by: undefined };
    askForPipes();
  };

  const startPiped = (id: number, command: Command, output: Output, triesLeft = mostTries): void => {
    // By then all are here that were told at once.
    nextTurn(makePipes);
    if (command.pool !== undefined && takeFrom(command.pool, output)) {
      startOrFail(id, command);
      return;
    }
    const then = (error?: NodeJS.ErrnoException): void => {
      if (error === undefined || arePipes(output)) startOrFail(id, command);
      else if (triesLeft > 1 && isForNow(error)) {
        later(() => {
          startPiped(id, command, output, triesLeft - 1);
        }, restMs);
      } else failStart(id, output, error);
    };
    wanted.push({ output, then });
  };

  const arePipes = (output: Output): boolean => {
    try {
      for (const fd of openPipes(output, O_RDONLY | O_NONBLOCK)) fs.closeSync(fd);
      return true;
    } catch {
      return false;
    }
  };

  /** Of what was not started nobody reads them. */
  const removePipes = ({ pipes }: Output): void => {
    try {
      for (const name of pipeNames) {
        const path = join(pipes, name);
        inFolder(path, (folder) => {
          removeFile(within(folder, path));
        });
      }
    } catch {
      // The home is gone by now, or damaged.
    }
  };

  const openOutput = (output: string | Output): readonly number[] => {
    if (typeof output !== 'string') return openPipes(output, O_RDWR);
    return [openFile(output, O_WRONLY | O_APPEND | O_CREAT)];
  };

  const start = (id: number, command: Command): void => {
    const { program, args, cwd, below = [], env, output, handedPath, keep } = command;
    // Nobody could ever know of it.
    if (isAlone()) return;
    // Open within one turn only, so that a thousand starts at once hold one file open, not a thousand.
    const written = openOutput(output);
    let held: readonly number[] = [];
    let handed: number | undefined;
    let place: number | undefined;
    let taken: string | undefined;
    try {
      if (handedPath !== undefined) handed = openFile(handedPath, O_RDONLY);
      if (keep !== undefined) makeFolder(dirname(keep.path));
      if (isLinux) {
        place = below.reduce(
          (folder, _, depth) => goDown(folder, join(cwd, ...below.slice(0, depth + 1))),
          openFolder(cwd),
        );
      }
      if (typeof output !== 'string') held = openPipes(output, O_RDONLY | O_NONBLOCK);
      const [stdout, stderr = stdout] = written;
      const child = spawn(program, args, {
        cwd: place === undefined ? join(cwd, ...below) : `/proc/self/fd/${String(place)}`,
        env,
        detached: true,
        stdio: ['ignore', stdout, stderr, ...(handed === undefined ? [] : [handed])],
      });
      child.once('error', (error) => {
        startAgainOrFail(id, command, error);
      });
      const { pid } = child;
      if (pid === undefined) return;
      const name = next;
      taken = name;
      const end = (): void => {
        killGroup(pid);
        if (name !== undefined) endGroup(name);
      };
      const known: Child = { end, outlives: keep !== undefined, sparedUntil: 0 };
      children.set(id, known);
      if (typeof output !== 'string') {
        reads.set(id, { output, held, waiting: [], isRead: false, isLate: false });
        held = [];
        readOutput(id);
      }
      const isSpared = (): boolean => performance.now() < known.sparedUntil;
      const finish = (): void => {
        // Once it is let go of, its pid may be another's.
        if (children.get(id) !== known) return;
        children.delete(id);
        end();
      };
      /** The one that it serves sees to it too, and may be gone by then. */
      const finishInTime = (): void => {
        if (isSpared() && isLeft(pid, name)) {
          later(finishInTime, 50);
          return;
        }
        finish();
        endWhenDone();
      };
      try {
        const startTime = startTimeOf(pid);
        const group = name === undefined ? undefined : join(groups?.name ?? '', name);
        const handle = { pid, startTime, ...keep?.handle, ...(group !== undefined && { group }) };
        const tokenHash = keep === undefined ? '' : hashOf(keep.token);
        const run: RunStart = { handle, spawner, tokenHash };
        if (keep !== undefined) write(keep.path, run);
        if (keep?.formerPath !== undefined) removeFile(keep.formerPath);
        child.once('exit', (code, signal) => {
          onceHeard(() => {
            if (keep !== undefined && !isSpared()) known.sparedUntil = performance.now() + sparedByFile(keep);
            // What it has left: whoever is told may be gone before it could see to that.
            if (!isSpared()) finish();
            onceRead(id, () => {
              if (keep !== undefined) keepExit(keep, run, code, signal);
              report({ kind: 'ended', id, code, signal });
              finishInTime();
            });
          });
        });
        // Looked at last: whoever looks for what the one that is gone has left finds all of it, or it is killed here.
        if (isAlone()) end();
        else report({ kind: 'started', id, pid, startTime, group });
      } catch (error) {
        children.delete(id);
        end();
        throw error;
      }
    } finally {
      for (const fd of [...written, ...held]) fs.closeSync(fd);
      if (handed !== undefined) fs.closeSync(handed);
      if (place !== undefined) fs.closeSync(place);
      if (taken !== undefined) moveOn(taken);
    }
  };

  /** After a round of the event loop: of what comes at once with an order, as an end that it leads to, that is heard last. */
  const onceHeard = (then: () => void): void => {
    nextTurn(() => nextTurn(then));
  };

  /** Whether somebody is left of the group of a process, or of its control group. */
  const isLeft = (pid: number, name: string | undefined): boolean => {
    if (name !== undefined && isPopulated(name)) return true;
    try {
      return process.kill(-pid, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM' && isLinux;
    }
  };

  const endWhenDone = (): void => {
    if (
      process.connected ||
      isMoving ||
      making !== undefined ||
      children.size + removing + over.size + ending > 0
    )
      return;
    const last = next;
    next = undefined;
    if (last !== undefined && leave()) {
      remove(last, 0);
      return;
    }
    // Of what was killed the end of the output is about to come.
    if ([...reads.values()].some(({ isLate }) => isLate) && !isLastWait) {
      isLastWait = true;
      later(endWhenDone, 4 * restMs);
      return;
    }
    // Who still reads goes on alone.
    if (reads.size > 0) process.exit();
    for (const { process: it } of readers) if (it.connected) it.disconnect();
    if (readers.size === 0) process.exit();
  };
  let isLastWait = false;

  const startOrFail = (id: number, command: Command): void => {
    // In the order in which they were asked for.
    if (isMoving) {
      waiting.push(() => {
        startOrFail(id, command);
      });
      return;
    }
    try {
      start(id, command);
    } catch (error) {
      onceOver(id, () => {
        startAgainOrFail(id, command, error as NodeJS.ErrnoException);
      });
    }
  };

  const startAgainOrFail = (id: number, command: Command, error: NodeJS.ErrnoException): void => {
    if (isForNow(error) && letAllGo()) {
      later(() => {
        startOrFail(id, command);
      }, restMs);
    } else failStart(id, command.output, error);
  };

  const failStart = (id: number, output: string | Output, error: NodeJS.ErrnoException): void => {
    if (typeof output !== 'string') removePipes(output);
    fail(id, error);
  };

  /** Lets go of pipes that somebody else has open, and tells whether there were any, or will be. */
  const letAllGo = (): boolean => {
    const open = [...reads.values()].filter(({ held, isLate }) => held.length > 0 && !isLate);
    open.filter(({ isRead }) => isRead).forEach(letGo);
    return open.length > 0;
  };

  process.on('message', (order: Order) => {
    if (order.kind === 'start') {
      const { output } = order.command;
      if (typeof output === 'string') startOrFail(order.id, order.command);
      else startPiped(order.id, order.command, output);
      return;
    }
    if (order.kind === 'read') {
      reads.set(order.id, { output: order.output, held: [], waiting: [], isRead: false, isLate: false });
      readOutput(order.id);
      return;
    }
    const child = children.get(order.id);
    if (child === undefined) return;
    if (order.kind === 'forget') child.outlives = true;
    else child.sparedUntil = performance.now() + order.graceMs;
  });

  process.on('disconnect', () => {
    if (making === undefined) emptyPools();
    for (const [id, { end, outlives }] of [...children]) {
      if (outlives) continue;
      end();
      children.delete(id);
    }
    endWhenDone();
  });

  // Before it is in the group of an instance for the first time.
  if (outputText !== undefined) reader = openReader();
  if (groups !== undefined) {
    sweep(groups.dir);
    moveOn();
  }
}
