import type { ChildProcess } from 'node:child_process';
import type { Output, OutputOrder, OutputReport } from './outputProgram.js';
import type { SpawnerFiles } from './spawnerFiles.js';
import type { Command, Pool } from './spawnerMessages.js';

/** What a spawner does about the output of what it starts. Another process reads it; the pipes are open here too. */
export interface SpawnerOutput {
  /** Makes the pipes of a process, has it started, and tells when that fails. */
  startPiped(id: number, command: Command, output: Output): void;
  /** Opens the pipes that bear the names, and nothing else that may bear them by now. */
  openPipes(output: Output, flags: number): readonly number[];
  /** Opens pipes once more that are open for writing. */
  readEndsOf(written: readonly number[]): readonly number[];
  /** Has somebody read what is written to pipes; `held` keep them open until all is read. */
  follow(id: number, output: Output, held?: readonly number[]): void;
  /** Does something once all is in the log that a process has written so far, or nobody can write any more. */
  onceRead(id: number, then: () => void): void;
  /** Does something once nobody can write any more of a process, and all is in the log; after 5 s at the latest. */
  onceOver(id: number, then: () => void): void;
  /** Lets go of pipes that somebody else has open, and tells whether there were any, or will be. */
  letAllGo(): boolean;
  /** Removes the pipes of what was not started: nobody reads them. */
  removePipes(output: Output): void;
  /** Removes what was made ahead, as soon as nothing is being made any more, and does something then. */
  emptyPools(then: () => void): void;
  /** Whether an end waits for what is not read yet, or pipes are made. */
  isBusy(): boolean;
  /** Ends this process as soon as nobody needs it to hold a pipe open. */
  quit(): void;
}

/** What {@link SpawnerOutput} needs. */
export interface SpawnerOutputNeeds {
  readonly files: SpawnerFiles;
  /** The program that reads. */
  readonly outputText: string | undefined;
  readonly outside: <T>(work: () => T) => T;
  readonly start: (id: number, command: Command) => void;
  readonly failStart: (id: number, output: Output, error: NodeJS.ErrnoException) => void;
  /** Whether a failure is for want of what others have now. */
  readonly isForNow: (error: unknown) => boolean;
  readonly onIdle: () => void;
}

/** Makes {@link SpawnerOutput}. A part of the program of a spawner: whatever it uses is in it. */
export function spawnerOutput(needs: SpawnerOutputNeeds): SpawnerOutput {
  const { spawn } = process.getBuiltinModule('node:child_process');
  const fs = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  // There is no RxJS here.
  const { setImmediate: nextTurn, setTimeout: later } = process.getBuiltinModule('node:timers');
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
  const { files, outputText, outside, start, failStart, isForNow, onIdle } = needs;
  const { within, inFolder, refuse, openFolder, makeFolder, removeFile } = files;
  const pipeNames = ['stdout', 'stderr'];
  /** Each takes one folder that is open meanwhile. */
  const mostMadeAtOnce = 32;
  /** How many pipes are kept ready in a pool, and how few are left when more are made. */
  const mostInPool = 64;
  const fewInPool = 32;
  /** How long to wait before what failed is tried again, and how often. */
  const restMs = 50;
  const mostTries = 100;
  /** How long whoever reads may take to see that nobody can write any more, before it is asked. */
  const soonMs = 5;
  /** How long the end of a process may be kept back until what it wrote is read. */
  const mostReadMs = 5_000;

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
    const child = outside(() =>
      spawn(process.execPath, ['-', 'rx-instances-output'], {
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
      }),
    );
    const opened: Reader = { process: child, reads: new Set() };
    readers.add(opened);
    const lose = (): void => {
      if (!readers.delete(opened)) return;
      if (reader === opened) reader = undefined;
      for (const id of opened.reads) readSoon(id);
      if (making?.by === opened) later(askForPipes, restMs);
      onIdle();
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
    onIdle();
  };

  const letGo = (read: Read): void => {
    for (const fd of read.held) fs.closeSync(fd);
    read.held = [];
  };

  const onceRead = (id: number, then: () => void): void => {
    onceOver(id, then);
    // Most often nobody can write any more, and its reader is about to say so.
    later(() => {
      if (reads.has(id))
        for (const it of readers) if (it.reads.has(id)) tellReader(it, { kind: 'drain', id });
    }, soonMs);
  };

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

  /** All, or none. */
  const openEach = <T>(all: readonly T[], open: (each: T) => number): readonly number[] => {
    const opened: number[] = [];
    try {
      for (const each of all) opened.push(open(each));
      return opened;
    } catch (error) {
      for (const fd of opened) fs.closeSync(fd);
      throw error;
    }
  };

  const openPipes = ({ pipes }: Output, flags: number): readonly number[] =>
    inFolder(join(pipes, 'stdout'), (folder) =>
      openEach(pipeNames, (name) => {
        const fd = fs.openSync(within(folder, name), flags | O_NOFOLLOW);
        const found = fs.fstatSync(fd);
        if (found.isFIFO() && found.uid === process.geteuid?.()) return fd;
        fs.closeSync(fd);
        return refuse(join(pipes, name), 'it is not a pipe of this user');
      }),
    );

  const readEndsOf = (written: readonly number[]): readonly number[] =>
    openEach(written, (fd) => fs.openSync(`/proc/self/fd/${String(fd)}`, O_RDONLY | O_NONBLOCK));

  interface Wanted {
    readonly output: Output;
    readonly then: (error?: NodeJS.ErrnoException) => void;
  }
  const wanted: Wanted[] = [];

  interface Ready {
    readonly mark: string;
    /** The names of the pipes that lie ready. */
    readonly names: string[];
  }
  /** By path; `undefined` are those that can't be used. */
  const pools = new Map<string, Ready | undefined>();
  const pooled = /^\d{1,10}\.\d{1,16}$/;
  let pooledSoFar = 0;

  const isPipe = (path: string): boolean => {
    const found = fs.lstatSync(path, { throwIfNoEntry: false });
    return found?.isFIFO() === true && found.uid === process.geteuid?.();
  };

  /** Whether a folder bears our mark, and is this user's; nobody else's is taken, and an empty one is what was cut off. */
  const isPool = ({ path, mark }: Pool): boolean => {
    try {
      fs.rmdirSync(path);
    } catch {
      // There is something in it, or it is none, or not there.
    }
    try {
      fs.mkdirSync(path, { mode: 0o700 });
      fs.closeSync(fs.openSync(join(path, mark), 'wx', 0o600));
      return true;
    } catch {
      const [folder, file] = [path, join(path, mark)].map((it) =>
        fs.lstatSync(it, { throwIfNoEntry: false }),
      );
      const own = process.geteuid?.();
      return (
        folder?.isDirectory() === true && file?.isFile() === true && folder.uid === own && file.uid === own
      );
    }
  };

  /** One that is used for the first time: somebody who was killed may have left pipes in it. */
  const openPool = (pool: Pool): Ready | undefined => {
    const { path, mark } = pool;
    if (pools.has(path)) return pools.get(path);
    const found = isPool(pool) ? fs.readdirSync(path) : undefined;
    const names = found?.filter((name) => pooled.test(name) && isPipe(join(path, name))).slice(0, mostInPool);
    const ready = names && { mark, names };
    pools.set(path, ready);
    return ready;
  };

  /** Moves pipes out of a pool to where they are wanted, and tells whether there were any. */
  const takeFrom = (pool: Pool, { pipes }: Output): boolean => {
    const folders: number[] = [];
    const taken: string[] = [];
    try {
      const names = openPool(pool)?.names ?? [];
      if (names.length < pipeNames.length) return false;
      makeFolder(pipes);
      const [from, to] = [openFolder(pool.path), openFolder(pipes)];
      folders.push(from, to);
      taken.push(...names.splice(-pipeNames.length));
      for (const name of pipeNames) {
        fs.renameSync(within(from, taken[0] ?? ''), within(to, name));
        taken.shift();
      }
      return true;
    } catch (error) {
      // Who makes them where they are wanted is told why that fails.
      const { code } = error as NodeJS.ErrnoException;
      for (const name of taken) fs.rmSync(join(pool.path, name), { force: true });
      if (code === 'EXDEV') {
        emptyPool(pool.path);
        pools.set(pool.path, undefined);
      } else pools.delete(pool.path);
      return false;
    } finally {
      for (const folder of folders) fs.closeSync(folder);
    }
  };

  const emptyPool = (path: string): void => {
    const ready = pools.get(path);
    if (ready === undefined) return;
    try {
      for (const name of ready.names) fs.rmSync(join(path, name), { force: true });
      if (fs.readdirSync(path).some((name) => name !== ready.mark)) return;
      fs.rmSync(join(path, ready.mark), { force: true });
      fs.rmdirSync(path);
    } catch {
      // It is gone by now.
    }
  };

  const emptyPools = (then: () => void): void => {
    if (making !== undefined) {
      onceMade.push(() => {
        emptyPools(then);
      });
      return;
    }
    for (const path of pools.keys()) emptyPool(path);
    pools.clear();
    then();
  };

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
  const onceMade: (() => void)[] = [];

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

  const madeAhead = ([pool, ready]: readonly [string, Ready | undefined]): readonly Made[] => {
    if (ready === undefined || ready.names.length > fewInPool) return [];
    const { names } = ready;
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
      if (process.connected && wanted.length > 0) makePipes();
      else for (const next of onceMade.splice(0)) next();
    };
    making = { paths, done, by: undefined };
    askForPipes();
  };

  const startPiped = (id: number, command: Command, output: Output, triesLeft = mostTries): void => {
    // By then all are here that were told at once.
    nextTurn(makePipes);
    if (command.pool !== undefined && takeFrom(command.pool, output)) {
      start(id, command);
      return;
    }
    const then = (error?: NodeJS.ErrnoException): void => {
      if (error === undefined || arePipes(output)) start(id, command);
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

  const letAllGo = (): boolean => {
    const open = [...reads.values()].filter(({ held, isLate }) => held.length > 0 && !isLate);
    open.filter(({ isRead }) => isRead).forEach(letGo);
    return open.length > 0;
  };

  /** Of what was killed the end of the output is about to come. */
  let isLastWait = false;

  // Before the spawner is in the group of an instance for the first time.
  if (outputText !== undefined) reader = openReader();
  return {
    ...{ startPiped, openPipes, readEndsOf, onceRead, onceOver, letAllGo, removePipes, emptyPools },
    follow: (id, output, held = []) => {
      reads.set(id, { output, held, waiting: [], isRead: false, isLate: false });
      readOutput(id);
    },
    isBusy: () => ending > 0 || making !== undefined,
    quit: () => {
      if ([...reads.values()].some(({ isLate }) => isLate) && !isLastWait) {
        isLastWait = true;
        later(onIdle, 4 * restMs);
        return;
      }
      // Who still reads goes on alone.
      if (reads.size > 0) process.exit();
      for (const { process: it } of readers) if (it.connected) it.disconnect();
      if (readers.size === 0) process.exit();
    },
  };
}
