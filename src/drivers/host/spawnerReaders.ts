import type { ChildProcess } from 'node:child_process';
import type { Output, OutputOrder, OutputReport } from './outputMessages.js';

/** The processes that read what is written by what a spawner starts. The pipes are open here too. */
export interface SpawnerReaders {
  /** Has somebody read what is written to pipes; `held` keep them open until all is read. */
  follow(id: number, output: Output, held?: readonly number[]): void;
  /** Does something once all is in the log that a process has written so far, or nobody can write any more. */
  onceRead(id: number, then: () => void): void;
  /** Does something once nobody can write any more of a process, and all is in the log; after 5 s at the latest. */
  onceOver(id: number, then: () => void): void;
  /** Closes pipes that somebody else has open, and returns whether there were any, or will be. */
  letAllGo(): boolean;
  /**
   * Makes pipes at paths, one call at a time, and reports once they are there, or why not. Who reads does it: a program of ours would be
   * born into the group of an instance, and halt or end with it.
   */
  make(paths: readonly string[], done: (error?: NodeJS.ErrnoException) => void): void;
  /** Whether an end waits for what is not read yet. */
  isBusy(): boolean;
  /** Ends this process as soon as nobody needs it to hold a pipe open. */
  quit(): void;
}

/** What {@link SpawnerReaders} need. */
export interface SpawnerReadersNeeds {
  /** The program that reads. */
  readonly outputText: string | undefined;
  readonly outside: <T>(work: () => T) => T;
  readonly openPipes: (output: Output, flags: number) => readonly number[];
  /** Whether a failure is for want of what others have now. */
  readonly isForNow: (error: unknown) => boolean;
  readonly onIdle: () => void;
}

/** Makes {@link SpawnerReaders}. A part of the program of a spawner: whatever it uses is in it. */
export function spawnerReaders(needs: SpawnerReadersNeeds): SpawnerReaders {
  const { spawn } = process.getBuiltinModule('node:child_process');
  const fs = process.getBuiltinModule('node:fs');
  // There is no RxJS here.
  const { setTimeout: later } = process.getBuiltinModule('node:timers');
  const { O_NONBLOCK, O_RDONLY } = fs.constants;
  const { outputText, outside, openPipes, isForNow, onIdle } = needs;
  /** How long to wait before what failed is tried again. */
  const restMs = 50;
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

  const sendOrder = ({ process: to }: Reader, order: OutputOrder): void => {
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
    sendOrder(reader, { kind: 'read', id, output: read.output, paths: [stdout ?? '', stderr ?? ''] });
    if (read.waiting.length > 0) sendOrder(reader, { kind: 'drain', id });
  };

  const readSoon = (id: number): void => {
    later(() => {
      readOutput(id);
    }, restMs);
  };

  const hearReader = (from: Reader, it: OutputReport): void => {
    if (it.kind === 'made') {
      const message = `no pipes could be made for what it writes (its output can be written to a file): ${String(it.failure)}`;
      const done = making?.done;
      making = undefined;
      done?.(it.failure === undefined ? undefined : Object.assign(new Error(message), { code: it.code }));
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
    stopReading(read);
    for (const then of read.waiting.splice(0)) then();
    onIdle();
  };

  const stopReading = (read: Read): void => {
    for (const fd of read.held) fs.closeSync(fd);
    read.held = [];
  };

  const onceRead = (id: number, then: () => void): void => {
    onceOver(id, then);
    // Most often nobody can write any more, and its reader is about to say so.
    later(() => {
      if (reads.has(id)) for (const it of readers) if (it.reads.has(id)) sendOrder(it, { kind: 'drain', id });
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

  interface Making {
    readonly paths: readonly string[];
    readonly done: (error?: NodeJS.ErrnoException) => void;
    /** Who was asked. */
    by: Reader | undefined;
  }
  let making: Making | undefined;

  const askForPipes = (): void => {
    if (making === undefined) return;
    try {
      making.by = reader ??= openReader();
      sendOrder(making.by, { kind: 'make', paths: making.paths });
    } catch {
      later(askForPipes, restMs);
    }
  };

  const letAllGo = (): boolean => {
    const open = [...reads.values()].filter(({ held, isLate }) => held.length > 0 && !isLate);
    open.filter(({ isRead }) => isRead).forEach(stopReading);
    return open.length > 0;
  };

  /** Of what was killed the end of the output is about to come. */
  let isLastWait = false;

  // Before the spawner is in the group of an instance for the first time.
  if (outputText !== undefined) reader = openReader();
  return {
    ...{ onceRead, onceOver, letAllGo },
    follow: (id, output, held = []) => {
      reads.set(id, { output, held, waiting: [], isRead: false, isLate: false });
      readOutput(id);
    },
    make: (paths, done) => {
      making = { paths, done, by: undefined };
      askForPipes();
    },
    isBusy: () => ending > 0,
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
