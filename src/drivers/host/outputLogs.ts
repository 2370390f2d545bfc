import type { Output } from './outputMessages.js';

/** A log, and what is still to be written to it. */
export interface OutputLog<Run> {
  readonly folder: string;
  /** The runs whose output goes there. */
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

/** The logs of a reader of output. */
export interface OutputLogs<Run> {
  /** Works in a folder, which is not followed if it, or the one that holds it, is a link. */
  inFolder<T>(path: string, work: (within: (name: string) => string) => T): T;
  /** The log of a run. */
  logOf(output: Output): OutputLog<Run>;
  /** Opens a log that is not open yet. Fails for want of descriptors only: what else there may be is seen when it is written to. */
  openNow(log: OutputLog<Run>): void;
  /** Written at once: what was read and not written is lost when its reader is killed. */
  append(log: OutputLog<Run>, text: string): void;
  /**
   * Writes what is to be written, and returns whether it could. Otherwise it is written later; meanwhile the pipes fill up, and hold
   * back who writes.
   */
  flush(log: OutputLog<Run>): boolean;
  /** Closes a log to which nobody writes any more. */
  forget(log: OutputLog<Run>): void;
}

/** What {@link OutputLogs} need. */
export interface OutputLogsNeeds<Run> {
  /** Reads nothing more for a log, for which there is no room. */
  readonly pause: (log: OutputLog<Run>) => void;
  /** Goes on once all is written. */
  readonly resume: (log: OutputLog<Run>) => void;
}

/** Makes {@link OutputLogs}. A part of the program of a reader of output: whatever it uses is in it. */
export function outputLogs<Run>({ pause, resume }: OutputLogsNeeds<Run>): OutputLogs<Run> {
  const fs = process.getBuiltinModule('node:fs');
  const { basename, dirname } = process.getBuiltinModule('node:path');
  // There is no RxJS here.
  const { setTimeout: later } = process.getBuiltinModule('node:timers');
  const { O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;

  const current = 'app.cri.log';
  const former = 'app.log';
  const partName = /^app(?:\.cri)?\.log\.(\d{1,16})-(\d{1,16})$/;
  /** More than a log has, with as many parts as can be asked for. */
  const mostNames = 2_048;
  /** How long to wait before what could not be written is written again. */
  const againMs = 250;
  const noDescriptor = new Set(['EMFILE', 'ENFILE']);
  const waitsForRoom = new Set(['ENOSPC', 'EDQUOT', 'EIO', ...noDescriptor]);

  type Log = OutputLog<Run>;
  const logs = new Map<string, Log>();

  const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

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
      pause(log);
      later(() => {
        log.isWaiting = false;
        if (flush(log)) resume(log);
      }, againMs);
      return false;
    }
  };

  const logOf = ({ logs: folder, maxBytes, keep }: Output): Log => {
    const known = logs.get(folder);
    const log = known ?? {
      ...{ folder, runs: new Set(), maxBytes, keep, fd: undefined, inode: BigInt(0), size: 0 },
      ...{ pending: '', isWaiting: false, lostUntil: 0, isOver: false },
    };
    logs.set(folder, log);
    return Object.assign(log, { maxBytes, keep, isOver: false });
  };

  const openNow = (log: Log): void => {
    if (log.fd !== undefined) return;
    try {
      open(log);
    } catch (error) {
      if (noDescriptor.has(codeOf(error))) throw error;
    }
  };

  const append = (log: Log, text: string): void => {
    log.pending += text;
    flush(log);
  };

  const forget = (log: Log): void => {
    close(log);
    logs.delete(log.folder);
  };

  return { inFolder, logOf, openNow, append, flush, forget };
}
