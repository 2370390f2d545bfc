import type { Serializable } from 'node:child_process';
import type { Socket } from 'node:net';

/** The output of one run of a process, and where it is kept. */
export interface Output {
  /** The folder in which the pipes have their names, `stdout` and `stderr`. */
  readonly pipes: string;
  /** The folder of the log. */
  readonly logs: string;
  /** Names the run in each line of the log. */
  readonly run: string;
  /** Size at which the log is laid aside, in bytes. */
  readonly maxBytes: number;
  /** How many parts that were laid aside are kept. */
  readonly keep: number;
}

/** What a reader of output is told. */
export type OutputOrder =
  /** Reads both pipes, which are opened by these paths, until nobody can write to them any more. */
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly output: Output;
      readonly paths: readonly [stdout: string, stderr: string];
    }
  /** Reads what is in the pipes now, and says so. */
  | { readonly kind: 'drain'; readonly id: number }
  /** Makes pipes at these paths, one order at a time. */
  | { readonly kind: 'make'; readonly paths: readonly string[] };

/** What a reader of output tells. */
export type OutputReport =
  | { readonly kind: 'reading'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number }
  /** What was in the pipes is in the log. */
  | { readonly kind: 'drained'; readonly id: number }
  /** All that was ever written is in the log: nobody has the pipes open any more. */
  | { readonly kind: 'over'; readonly id: number }
  /** Whether all were made, and if not, why. */
  | { readonly kind: 'made'; readonly failure: string | undefined; readonly code: string | undefined };

/**
 * The whole program of a process that reads what instances write, and keeps it as lines with time and stream. Nothing but its
 * own text is handed to it. It outlives the one that it serves for as long as somebody can still write to what it reads.
 *
 * A line of a log is `<time> <stream> F:<run> <text>`, the log format of the Container Runtime Interface. Of a line whose end was
 * not there yet when it was read the first parts bear `P` for `F`; the last such part of a line that never ended is empty and
 * bears `P:<run>:end`.
 */
export function outputProgram(): void {
  const { execFile } = process.getBuiltinModule('node:child_process');
  const fs = process.getBuiltinModule('node:fs');
  const net = process.getBuiltinModule('node:net');
  const { basename, dirname } = process.getBuiltinModule('node:path');
  // There is no RxJS here.
  const { setImmediate: nextTurn, setTimeout: later } = process.getBuiltinModule('node:timers');
  const { O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;

  const current = 'app.cri.log';
  const former = 'app.log';
  const partName = /^app(?:\.cri)?\.log\.(\d{1,16})-(\d{1,16})$/;
  /** More than a log has, with as many parts as can be asked for. */
  const mostNames = 2_048;
  /** As much as a pipe can hold. */
  const mostInPipe = 1_024 * 1_024;
  /** What writes little at a time is read at most this often, and less often where many do: the kernel gathers the rest meanwhile. */
  const restMs = 10;
  const restMsForEach = 0.1;
  const littleBytes = 4_096;
  /** How much is written to logs before who else has something is read, and orders are heard. */
  const mostInTurn = 512 * 1_024;
  /** How long to wait before what could not be written is written again. */
  const againMs = 250;
  const noDescriptor = new Set(['EMFILE', 'ENFILE']);
  const waitsForRoom = new Set(['ENOSPC', 'EDQUOT', 'EIO', ...noDescriptor]);
  /** How many more descriptors it takes to lay a log aside. */
  const spareDescriptors = 4;

  interface Log {
    readonly folder: string;
    readonly runs: Set<Run>;
    maxBytes: number;
    keep: number;
    fd: number | undefined;
    inode: bigint;
    size: number;
    /** Each character is a byte. */
    pending: string;
    isWaiting: boolean;
    /** Nothing is kept until then: there is something else in the place of the log. */
    lostUntil: number;
    /** Whether a later run writes its log itself: what is still to come of those before is lost. */
    isOver: boolean;
  }
  interface Stream {
    readonly name: 'stdout' | 'stderr';
    readonly fd: number;
    readonly inode: bigint;
    readonly socket: Socket;
    /** Whether the last line that was read has no end yet. */
    isOpen: boolean;
    isOver: boolean;
  }
  interface Run {
    readonly id: number;
    readonly output: Output;
    readonly log: Log;
    readonly streams: Stream[];
  }

  const runs = new Map<number, Run>();
  const logs = new Map<string, Log>();
  /** Which is to go on, unless its log waits for room. */
  const resting = new Map<Socket, Log>();
  /** For all: what is read is taken at once. */
  const buffer = Buffer.allocUnsafe(65_536);

  const report = (it: OutputReport): void => {
    if (process.connected) process.send?.(it satisfies Serializable, undefined, undefined, () => undefined);
  };

  const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

  /** Works in a folder, which is not followed if it, or the one that holds it, is a link. */
  const inFolder = <T>(path: string, work: (within: (name: string) => string) => T): T => {
    const parent = fs.openSync(dirname(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    let folder: number | undefined;
    try {
      const name = `/proc/self/fd/${String(parent)}/${basename(path)}`;
      const held = (folder = fs.openSync(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      return work((entry) => `/proc/self/fd/${String(held)}/${entry}`);
    } finally {
      fs.closeSync(parent);
      if (folder !== undefined) fs.closeSync(folder);
    }
  };

  const namesIn = (path: string): readonly string[] => {
    const names: string[] = [];
    const folder = fs.opendirSync(path);
    try {
      for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
        if (names.push(entry.name) > mostNames) throw new Error(`${path} holds more than it should`);
      }
    } finally {
      folder.closeSync();
    }
    return names;
  };

  interface Part {
    readonly name: string;
    readonly end: number;
  }

  const partsIn = (within: (name: string) => string): readonly Part[] =>
    namesIn(within('.'))
      .map((name) => partName.exec(name))
      .filter((match) => match !== null)
      .map(([name, start, end]) => ({ name, start: Number(start), end: Number(end) }))
      .filter(({ start, end }) => start < end && end <= 2 ** 52)
      .sort((one, other) => one.end - other.end);

  const layAside = (within: (name: string) => string, name: string, size: number): void => {
    const start = partsIn(within).at(-1)?.end ?? 0;
    fs.renameSync(within(name), within(`${name}.${String(start)}-${String(start + size)}`));
  };

  /** Opens the file that is written next: a plain one of this user with one name, and nothing else. */
  const openFile = (path: string): number => {
    const fd = fs.openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const found = fs.fstatSync(fd);
    if (found.isFile() && found.nlink === 1 && found.uid === process.geteuid?.()) return fd;
    fs.closeSync(fd);
    throw new Error(`${path} is not a plain file of this user`);
  };

  const open = (log: Log): number =>
    inFolder(log.folder, (within) => {
      const raw = fs.lstatSync(within(former), { throwIfNoEntry: false });
      // Written straight by a process: each part holds one kind of lines.
      if (raw?.isFile() === true) {
        if (raw.size > 0) layAside(within, former, raw.size);
        else fs.rmSync(within(former));
      }
      const fd = openFile(within(current));
      const { ino, size } = fs.fstatSync(fd, { bigint: true });
      log.inode = ino;
      log.size = Number(size);
      const last = Buffer.alloc(1);
      // Whoever wrote it was killed amid a line.
      if (log.size > 0 && fs.readSync(fd, last, 0, 1, log.size - 1) === 1 && last[0] !== 10) {
        log.size += fs.writeSync(fd, '\n');
      }
      return (log.fd = fd);
    });

  const close = (log: Log): void => {
    if (log.fd !== undefined) fs.closeSync(log.fd);
    log.fd = undefined;
  };

  /**
   * Whether what is open still is the log. Another reader, of a run of which something is left, may have laid it aside; or somebody
   * has taken it away, with the instance or without.
   */
  const isCurrent = (log: Log): boolean => {
    const path = `${log.folder}/${current}`;
    const found = fs.lstatSync(path, { throwIfNoEntry: false, bigint: true });
    if (found?.ino !== log.inode) return false;
    log.size = Number(found.size);
    return true;
  };

  const leave = (log: Log): void => {
    close(log);
    log.isOver = fs.lstatSync(`${log.folder}/${former}`, { throwIfNoEntry: false }) !== undefined;
  };

  const rotate = (log: Log): void => {
    inFolder(log.folder, (within) => {
      if (!isCurrent(log)) {
        leave(log);
        return;
      }
      layAside(within, current, log.size);
      close(log);
      for (const { name } of partsIn(within).slice(0, -log.keep)) fs.rmSync(within(name), { force: true });
    });
  };

  /** How much of what waits goes into the file before it is laid aside: whole lines, and one at least. */
  const fitting = ({ pending, size, maxBytes }: Log): number => {
    if (size + pending.length <= maxBytes) return pending.length;
    const last = pending.lastIndexOf('\n', maxBytes - size - 1);
    if (last !== -1 || size > 0) return last + 1;
    return pending.indexOf('\n') + 1;
  };

  const write = (log: Log): void => {
    while (log.pending !== '') {
      if (log.fd !== undefined && !isCurrent(log)) leave(log);
      if (log.isOver) throw new Error('its process writes the log itself');
      const fd = log.fd ?? open(log);
      const bytes = fitting(log);
      if (bytes === 0) {
        rotate(log);
        continue;
      }
      const written = fs.writeSync(fd, log.pending.slice(0, bytes), null, 'latin1');
      log.pending = log.pending.slice(written);
    }
  };

  /**
   * Writes what is to be written, and tells whether it could. Otherwise it is written later; meanwhile the pipes fill up, and hold
   * back who writes.
   */
  const flush = (log: Log): boolean => {
    if (log.isWaiting) return false;
    if (Date.now() < log.lostUntil) {
      log.pending = '';
      return true;
    }
    try {
      write(log);
      return true;
    } catch (error) {
      if (!waitsForRoom.has(codeOf(error))) {
        // What was put in the place of its log, or was taken away, only the instance can have done.
        log.pending = '';
        log.lostUntil = Date.now() + againMs;
        close(log);
        return true;
      }
      log.isWaiting = true;
      for (const { streams } of log.runs) for (const { socket } of streams) socket.pause();
      later(() => {
        log.isWaiting = false;
        if (!flush(log)) return;
        for (const { streams } of log.runs) for (const { socket } of streams) socket.resume();
        endRuns(log);
      }, againMs);
      return false;
    }
  };

  let stampedAt = 0;
  let stamp = '';
  const now = (): string => {
    const at = Date.now();
    if (at !== stampedAt) stamp = new Date((stampedAt = at)).toISOString();
    return stamp;
  };

  /** Written at once: what was read and not written is lost when it is killed. */
  const append = (log: Log, text: string): void => {
    log.pending += text;
    keptInTurn += text.length;
    flush(log);
  };

  const take = ({ output, log }: Run, stream: Stream, bytes: Buffer): void => {
    const text = bytes.toString('latin1');
    const last = text.lastIndexOf('\n');
    const head = `${now()} ${stream.name} `;
    const rest = text.slice(last + 1);
    const whole = `${head}F:${output.run} `;
    stream.isOpen = rest !== '';
    append(
      log,
      (last === -1 ? '' : `${whole}${text.slice(0, last).replaceAll('\n', `\n${whole}`)}\n`) +
        (rest === '' ? '' : `${head}P:${output.run} ${rest}\n`),
    );
  };

  let keptInTurn = 0;
  const givingWay = new Map<Socket, Log>();
  /** Who writes as fast as it can has the others read too, and their orders heard. */
  const giveWay = (socket: Socket, log: Log): void => {
    socket.pause();
    givingWay.set(socket, log);
    if (givingWay.size > 1) return;
    nextTurn(() => {
      keptInTurn = 0;
      const all = [...givingWay];
      givingWay.clear();
      for (const [it, { isWaiting }] of all) if (!isWaiting) it.resume();
    });
  };

  let lastRested = 0;
  const rest = (socket: Socket, log: Log): void => {
    socket.pause();
    if (resting.size === 0) {
      later(
        () => {
          const rested = [...resting];
          resting.clear();
          lastRested = rested.length;
          for (const [it, { isWaiting }] of rested) if (!isWaiting) it.resume();
        },
        Math.max(restMs, lastRested * restMsForEach),
      );
    }
    resting.set(socket, log);
  };

  /** Tells of runs to whose pipes nobody can write any more, once all of it is written. */
  const endRuns = (log: Log): void => {
    for (const run of log.runs) {
      const { id, output, streams } = run;
      if (!streams.every((stream) => stream.isOver)) continue;
      for (const stream of streams) {
        if (stream.isOpen) append(log, `${now()} ${stream.name} P:${output.run}:end \n`);
        stream.isOpen = false;
      }
      if (!flush(log)) continue;
      removeNames(run);
      runs.delete(id);
      log.runs.delete(run);
      report({ kind: 'over', id });
    }
    if (log.runs.size === 0 && !log.isWaiting) {
      close(log);
      logs.delete(log.folder);
    }
    endWhenDone();
  };

  /** Node's own way of it looks for folders first; somebody waits for this. */
  const remove = (path: string): void => {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) fs.unlinkSync(path);
  };

  /** A later run has pipes of its own there. */
  const removeNames = ({ output, streams }: Run): void => {
    try {
      inFolder(output.pipes, (within) => {
        for (const { name, inode } of streams) {
          const found = fs.lstatSync(within(name), { throwIfNoEntry: false, bigint: true });
          if (found !== undefined && found.ino !== inode) return;
          if (found !== undefined) fs.unlinkSync(within(name));
        }
        remove(within('reader'));
      });
    } catch {
      // The home is gone by now.
    }
  };

  const endStream = (run: Run, stream: Stream): void => {
    if (stream.isOver) return;
    stream.isOver = true;
    resting.delete(stream.socket);
    givingWay.delete(stream.socket);
    stream.socket.destroy();
    endRuns(run.log);
  };

  /** Reads what is in a pipe, though its socket may rest. */
  const drainStream = (run: Run, stream: Stream): void => {
    for (let read = 0; read < mostInPipe && !stream.isOver;) {
      let bytes: number;
      try {
        bytes = fs.readSync(stream.fd, buffer);
      } catch {
        return;
      }
      if (bytes === 0) endStream(run, stream);
      else take(run, stream, buffer.subarray(0, bytes));
      read += bytes;
    }
  };

  const drain = (id: number): void => {
    const run = runs.get(id);
    if (run !== undefined) {
      for (const stream of run.streams) drainStream(run, stream);
      flush(run.log);
    }
    report({ kind: 'drained', id });
  };

  const logIn = ({ logs: folder, maxBytes, keep }: Output): Log => {
    const known = logs.get(folder);
    const log = known ?? {
      ...{ folder, runs: new Set(), maxBytes, keep, fd: undefined, inode: BigInt(0), size: 0 },
      ...{ pending: '', isWaiting: false, lostUntil: 0, isOver: false },
    };
    logs.set(folder, log);
    return Object.assign(log, { maxBytes, keep, isOver: false });
  };

  const startTime = ((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '')(
    fs.readFileSync('/proc/self/stat', 'utf8'),
  );

  /** Who reads, for whoever has to know whether somebody does. */
  const sign = (output: Output): void => {
    try {
      inFolder(output.pipes, (within) => {
        remove(within('reader'));
        fs.symlinkSync(`${String(process.pid)}.${startTime}`, within('reader'));
      });
    } catch {
      // The home is gone by now, or damaged.
    }
  };

  const openStream = (run: Run, name: Stream['name'], fd: number): Stream => {
    const { log } = run;
    const callback = (length: number): boolean => {
      take(run, stream, buffer.subarray(0, length));
      if (length < littleBytes) rest(socket, log);
      else if (keptInTurn > mostInTurn) giveWay(socket, log);
      else return !log.isWaiting;
      return false;
    };
    // With a buffer of ours it reads nothing while it is paused: what it had read would be lost with it.
    const options = { fd, readable: true, writable: false, onread: { buffer, callback } };
    const socket = new net.Socket(options);
    const { ino } = fs.fstatSync(fd, { bigint: true });
    const stream: Stream = { name, fd, inode: ino, socket, isOpen: false, isOver: false };
    socket.on('error', () => undefined);
    socket.on('close', () => {
      endStream(run, stream);
    });
    if (log.isWaiting) socket.pause();
    return stream;
  };

  /** Fails for want of descriptors only: what else there may be is seen when it is written to. */
  const openNow = (log: Log): void => {
    try {
      open(log);
    } catch (error) {
      if (noDescriptor.has(codeOf(error))) throw error;
    }
  };

  const read = (id: number, output: Output, paths: readonly [string, string]): void => {
    const fds: number[] = [];
    const log = logIn(output);
    try {
      for (const path of paths) fds.push(fs.openSync(path, O_RDONLY | O_NONBLOCK));
      if (log.fd === undefined) openNow(log);
      for (let spare = 0; spare < spareDescriptors; spare += 1) fds.push(fs.openSync('/', O_RDONLY));
      for (const fd of fds.splice(2)) fs.closeSync(fd);
      const run: Run = { id, output, log, streams: [] };
      for (const [index, name] of (['stdout', 'stderr'] as const).entries()) {
        run.streams.push(openStream(run, name, fds[index] ?? -1));
      }
      runs.set(id, run);
      log.runs.add(run);
      sign(output);
      // Nobody waits for it, and most of what is short is over by then.
      later(() => {
        if (runs.get(id) === run) report({ kind: 'reading', id });
      }, restMs);
      // Where the last who could write had closed by then, nothing but a read tells of it.
      for (const stream of run.streams) drainStream(run, stream);
    } catch {
      for (const fd of fds) fs.closeSync(fd);
      report({ kind: 'failed', id });
      endRuns(log);
    }
  };

  const endWhenDone = (): void => {
    if (!process.connected && runs.size === 0) process.exit();
  };

  /**
   * By a program: Node can't make any. Only their owner enters the folder in which they lie; who has one open may open it once more, as
   * `/dev/stdout`, also as another user.
   */
  const make = (paths: readonly string[]): void => {
    execFile('mkfifo', ['-m', '622', ...paths], (error, _, said) => {
      const reason = error?.code === 'ENOENT' ? 'the program mkfifo is not there' : said.trim();
      const code = error === null ? undefined : (error.signal ?? String(error.code));
      report({ kind: 'made', failure: error === null ? undefined : reason, code });
    });
  };

  process.on('message', (order: OutputOrder) => {
    switch (order.kind) {
      case 'read':
        read(order.id, order.output, order.paths);
        break;
      case 'drain':
        drain(order.id);
        break;
      case 'make':
        make(order.paths);
    }
  });
  process.on('disconnect', endWhenDone);
}
