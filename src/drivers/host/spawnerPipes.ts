import type { Output } from './outputMessages.js';
import type { SpawnerFiles } from './spawnerFiles.js';
import type { Command, Pool, Streams } from './spawnerMessages.js';

/** The pipes to which what a spawner starts writes, and those that are made ahead. */
export interface SpawnerPipes {
  /** Makes the pipes of a process, has it started, and reports when that fails. */
  startPiped(id: number, command: Command, output: Output | Streams): void;
  /** Opens the pipes that bear the names, and nothing else that may bear them by now. */
  openPipes(output: Output | Streams, flags: number): readonly number[];
  /** Opens pipes once more that are open for writing. */
  readEndsOf(written: readonly number[]): readonly number[];
  /** Opens the ends of streams that a process gets, by what is open of them for both reading and writing. */
  endsOf(streams: Streams, held: readonly number[]): readonly number[];
  /** Removes the pipes of what was not started, which nobody reads, and streams that are open where they are needed. */
  removePipes(output: Output | Streams): void;
  /** Removes what was made ahead, as soon as nothing is being made any more, and does something then. */
  emptyPools(then: () => void): void;
  /** Whether some are being made. */
  isBusy(): boolean;
}

/** What {@link SpawnerPipes} need. */
export interface SpawnerPipesNeeds {
  readonly files: SpawnerFiles;
  /** Makes pipes at paths, one call at a time, and reports once they are there, or why not. */
  readonly make: (paths: readonly string[], done: (error?: NodeJS.ErrnoException) => void) => void;
  /** Starts a process, with the pipes of its streams if they are open already. */
  readonly start: (id: number, command: Command, streams?: readonly number[]) => void;
  readonly failStart: (id: number, output: Output | Streams, error: NodeJS.ErrnoException) => void;
  /** Whether a failure is for want of what others have now. */
  readonly isForNow: (error: unknown) => boolean;
}

/** Makes {@link SpawnerPipes}. A part of the program of a spawner: whatever it uses is in it. */
export function spawnerPipes(needs: SpawnerPipesNeeds): SpawnerPipes {
  const fs = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  // There is no RxJS here.
  const { setImmediate: nextTurn, setTimeout: later } = process.getBuiltinModule('node:timers');
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = fs.constants;
  const { files, make, start, failStart, isForNow } = needs;
  const { within, inFolder, refuse, openFolder, makeFolder, removeFile } = files;
  const isLinux = process.platform === 'linux';
  const namesOf = (output: Output | Streams): readonly string[] =>
    'names' in output ? output.names : ['stdout', 'stderr'];
  /** Each takes one folder that is open meanwhile. */
  const mostMadeAtOnce = 32;
  /** How many pipes are kept ready in a pool, and how few are left when more are made. */
  const mostInPool = 64;
  const fewInPool = 32;
  /** How long to wait before what failed is tried again, and how often. */
  const restMs = 50;
  const mostTries = 100;

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

  const openPipes = (output: Output | Streams, flags: number): readonly number[] => {
    const { pipes } = output;
    return inFolder(join(pipes, 'stdout'), (folder) =>
      openEach(namesOf(output), (name) => {
        const fd = fs.openSync(within(folder, name), flags | O_NOFOLLOW);
        const found = fs.fstatSync(fd);
        if (found.isFIFO() && found.uid === process.geteuid?.()) return fd;
        fs.closeSync(fd);
        return refuse(join(pipes, name), 'it is not a pipe of this user');
      }),
    );
  };

  const readEndsOf = (written: readonly number[]): readonly number[] =>
    openEach(written, (fd) => fs.openSync(`/proc/self/fd/${String(fd)}`, O_RDONLY | O_NONBLOCK));

  const endsOf = ({ pipes, names }: Streams, held: readonly number[]): readonly number[] =>
    openEach(
      names.map((name, index) => ({
        path: isLinux ? `/proc/self/fd/${String(held[index])}` : join(pipes, name),
        flags: name === 'stdin' ? O_RDONLY : O_WRONLY,
      })),
      ({ path, flags }) => fs.openSync(path, flags),
    );

  interface Wanted {
    readonly output: Output | Streams;
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

  /** Moves pipes out of a pool to where they are wanted, and returns whether there were any. */
  const takeFrom = (pool: Pool, output: Output | Streams): boolean => {
    const { pipes } = output;
    const wantedNames = namesOf(output);
    const folders: number[] = [];
    const taken: string[] = [];
    try {
      const names = openPool(pool)?.names ?? [];
      if (names.length < wantedNames.length) return false;
      makeFolder(pipes);
      const [from, to] = [openFolder(pool.path), openFolder(pipes)];
      folders.push(from, to);
      taken.push(...names.splice(-wantedNames.length));
      for (const name of wantedNames) {
        fs.renameSync(within(from, taken[0] ?? ''), within(to, name));
        taken.shift();
      }
      return true;
    } catch (error) {
      // To make them where they are wanted reports why that fails.
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

  /** Opens pipes of a pool that have no name from then on, or none. */
  const openFrom = (pool: Pool, count: number): readonly number[] | undefined => {
    const names = openPool(pool)?.names ?? [];
    if (names.length < count) return undefined;
    const taken = names.splice(-count);
    try {
      return inFolder(join(pool.path, 'any'), (folder) =>
        openEach(taken, (name) => {
          const path = within(folder, name);
          const fd = fs.openSync(path, O_RDWR | O_NOFOLLOW);
          removeFile(path);
          if (fs.fstatSync(fd).isFIFO()) return fd;
          fs.closeSync(fd);
          return refuse(join(pool.path, name), 'it is not a pipe');
        }),
      );
    } catch {
      // To make them where they are wanted reports why that fails.
      pools.delete(pool.path);
      return undefined;
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
    if (isMaking) {
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
  let isMaking = false;
  const onceMade: (() => void)[] = [];

  const madeFor = ({ output, then }: Wanted): readonly Made[] => {
    const { pipes } = output;
    const names = namesOf(output);
    let folder: number | undefined;
    try {
      makeFolder(pipes);
      folder = openFolder(pipes);
      for (const name of names) removeFile(within(folder, name));
      return [{ folder, names, then }];
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

  /** Has the pipes made of all that wait for some, and those that are missing in the pools, in one go; returns whether some are being made. */
  const makePipes = (): boolean => {
    if (isMaking) return true;
    const all = [...wanted.splice(0, mostMadeAtOnce).flatMap(madeFor), ...[...pools].flatMap(madeAhead)];
    if (all.length === 0) {
      if (wanted.length > 0) nextTurn(makePipes);
      return false;
    }
    const paths = all.flatMap(({ folder, names }) =>
      names.map((name) => `/proc/${String(process.pid)}/fd/${String(folder)}/${name}`),
    );
    const done = (error?: NodeJS.ErrnoException): void => {
      isMaking = false;
      for (const { folder } of all) fs.closeSync(folder);
      for (const { then } of all) then(error);
      // Those that were started meanwhile may have left few in the pools. What can't be made now is not tried for ever.
      const isLow = error === undefined && onceMade.length === 0;
      const goesOn = process.connected && (isLow || wanted.length > 0) && makePipes();
      if (!goesOn) for (const next of onceMade.splice(0)) next();
    };
    isMaking = true;
    make(paths, done);
    return true;
  };

  const startPiped = (
    id: number,
    command: Command,
    output: Output | Streams,
    triesLeft = mostTries,
  ): void => {
    // By then all orders are here that were sent at once.
    nextTurn(makePipes);
    if (command.pool !== undefined) {
      if (isLinux && 'names' in output) {
        const streams = openFrom(command.pool, output.names.length);
        if (streams !== undefined) {
          start(id, command, streams);
          return;
        }
      } else if (takeFrom(command.pool, output)) {
        start(id, command);
        return;
      }
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

  const arePipes = (output: Output | Streams): boolean => {
    try {
      for (const fd of openPipes(output, O_RDONLY | O_NONBLOCK)) fs.closeSync(fd);
      return true;
    } catch {
      return false;
    }
  };

  const removePipes = (output: Output | Streams): void => {
    const { pipes } = output;
    try {
      for (const name of namesOf(output)) {
        const path = join(pipes, name);
        inFolder(path, (folder) => {
          removeFile(within(folder, path));
        });
      }
      if ('names' in output) fs.rmdirSync(pipes);
    } catch {
      // The home is gone by now, or damaged.
    }
  };

  return { startPiped, openPipes, endsOf, readEndsOf, removePipes, emptyPools, isBusy: () => isMaking };
}
