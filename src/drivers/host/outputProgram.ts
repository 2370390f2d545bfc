import type { Serializable } from 'node:child_process';
import type { Socket } from 'node:net';
import type { OutputLog, outputLogs } from './outputLogs.js';
import type { Output, OutputOrder, OutputReport } from './outputMessages.js';

/** The parts of the program of a reader of output, each of which stands alone. */
export interface OutputParts {
  readonly outputLogs: typeof outputLogs;
}

/**
 * The program of a process that reads what instances write, and keeps it as lines with time and stream. Nothing but its own text and
 * that of its parts is handed to it. It outlives the one that it serves for as long as somebody can still write to what it reads.
 *
 * A line of a log is `<time> <stream> F:<run> <text>`, the log format of the Container Runtime Interface. Of a line whose end was
 * not there yet when it was read the first parts bear `P` for `F`; the last such part of a line that never ended is empty and
 * bears `P:<run>:end`.
 */
export function outputProgram(parts: OutputParts): void {
  const { execFile } = process.getBuiltinModule('node:child_process');
  const fs = process.getBuiltinModule('node:fs');
  const net = process.getBuiltinModule('node:net');
  // There is no RxJS here.
  const { setImmediate: nextTurn, setTimeout: later } = process.getBuiltinModule('node:timers');
  const { O_NONBLOCK, O_RDONLY } = fs.constants;

  /** As much as a pipe can hold. */
  const mostInPipe = 1_024 * 1_024;
  /** What writes little at a time is read at most this often, and less often where many do: the kernel gathers the rest meanwhile. */
  const restMs = 10;
  const restMsForEach = 0.1;
  const littleBytes = 4_096;
  /** How much is written to logs before the others are read, and orders are taken. */
  const mostInTurn = 512 * 1_024;
  /** How many more descriptors it takes to lay a log aside. */
  const spareDescriptors = 4;

  type Log = OutputLog<Run>;
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
  /** Which is to go on, unless its log waits for room. */
  const resting = new Map<Socket, Log>();
  /** For all: what is read is taken at once. */
  const buffer = Buffer.allocUnsafe(65_536);

  const report = (it: OutputReport): void => {
    if (process.connected) process.send?.(it satisfies Serializable, undefined, undefined, () => undefined);
  };

  const logs = parts.outputLogs<Run>({
    pause: (log) => {
      for (const { streams } of log.runs) for (const { socket } of streams) socket.pause();
    },
    resume: (log) => {
      for (const { streams } of log.runs) for (const { socket } of streams) socket.resume();
      endRuns(log);
    },
  });
  const { inFolder, flush } = logs;

  let stampedAt = 0;
  let stamp = '';
  const now = (): string => {
    const at = Date.now();
    if (at !== stampedAt) stamp = new Date((stampedAt = at)).toISOString();
    return stamp;
  };

  const append = (log: Log, text: string): void => {
    keptInTurn += text.length;
    logs.append(log, text);
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
  /** Who writes as fast as it can does not keep others from being read, or orders from being taken. */
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
    if (log.runs.size === 0 && !log.isWaiting) logs.forget(log);
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

  const read = (id: number, output: Output, paths: readonly [string, string]): void => {
    const fds: number[] = [];
    const log = logs.logOf(output);
    try {
      for (const path of paths) fds.push(fs.openSync(path, O_RDONLY | O_NONBLOCK));
      logs.openNow(log);
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
      // Where the last who could write had closed by then, only a read shows it.
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
