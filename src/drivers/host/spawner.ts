import { type ChildProcess, spawn } from 'node:child_process';
import { first, firstValueFrom, from, interval, mergeMap, type Observable, race, ReplaySubject } from 'rxjs';
import type { ExitStatus } from '../../lifecycle/instance.js';
import { groupsPlace, sweepGroups } from './controlGroup.js';
import { limitPlaces } from './limitPlaces.js';
import { nodeProgram, spawnerMark } from './nodeProgram.js';
import { isHalted } from './processGroup.js';
import { processTable } from './processTable.js';
import type { Command, Order, Report } from './spawnerMessages.js';
import type { Output } from './outputMessages.js';
import { outputText } from './outputText.js';
import { spawnerText } from './spawnerText.js';

/** A process that was started. */
export interface Started {
  readonly pid: number;
  /** Tells it from others that had or will have its pid, in the words of the process table. */
  readonly startTime: string;
  /** The control group that it was born in, as the kernel names it; `undefined` where there is none. */
  readonly group: string | undefined;
  /** Emits how it ended, once it has, to late subscribers too; fails when that cannot be known any more. */
  readonly ended$: Observable<ExitStatus>;
  /**
   * Lets what it leaves behind run on when it ends, for that time from now. Comes when the small process is sure to learn of it
   * before it learns of an end that comes after that.
   */
  spare(graceMs: number): Promise<void>;
  /** Where its `Streams` can be opened once more until they are `opened`, in their order; `undefined` where they have names. */
  readonly streams: readonly string[] | undefined;
  /** Says that the `Streams` that it was started with are open where they are needed, or are not needed. */
  opened(): void;
  /** Lets it run on, and Node end before it does. */
  forget(): void;
}

/**
 * Starts processes by way of a small process of its own, which it starts when it is first needed. To start a process, the
 * kernel copies the page tables of the one that asks, which meanwhile stands still: with a gigabyte in memory for 25 ms,
 * in the small one for 1 ms, and nobody waits for that.
 */
export interface Spawner {
  /** Starts a process that leads a group of its own. A failure is one of Node's system errors. */
  start(command: Command): Promise<Started>;
  /** Reads what a process writes that was started by a spawner which is gone, with whoever read it. */
  read(output: Output): void;
  /**
   * Lets the small process end once nobody needs it any more; the next start starts another. One that was halted is not waited for
   * longer than some seconds: it ends when it goes on.
   */
  close(): Promise<void>;
}

/** How often to check whether a spawner that is being closed was halted. */
const lookEveryMs = 1_000;

/** How to create a {@link Spawner}. */
export interface SpawnerOptions {
  /** The Node.js that runs the small process, where it is not the one that runs this one. */
  readonly nodePath?: string | undefined;
  /** Whether it is to read what processes write, by one more small process. @defaultValue false */
  readonly readsOutput?: boolean;
}

interface Waiting {
  readonly resolve: (started: Started) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Creates a {@link Spawner}. What it has started is killed when this process ends, however that ends, unless it was started to
 * outlive it, or is forgotten.
 * Long, since each of its methods and each report changes the same three tables of what waits, runs and is forgotten.
 *
 * @throws {@link InvalidRequest} where that has to be named
 */
export function createSpawner({ nodePath, readsOutput = false }: SpawnerOptions = {}): Spawner {
  // Refused now, not at the first start.
  nodeProgram(nodePath);
  const waiting = new Map<number, Waiting>();
  const running = new Map<number, ReplaySubject<ExitStatus>>();
  /** What runs on and whose end is not reported: the small process stays to write it down. */
  const forgotten = new Set<number>();
  let helper: ChildProcess | undefined;
  /** Resolves once every order is on its way to the small process. */
  let sent: Promise<void> | undefined;
  let ids = 0;

  /** Node ends when nothing is asked for and nothing runs. */
  const holdNode = (): void => {
    const isNeeded = waiting.size + running.size > 0;
    if (isNeeded) helper?.ref();
    else helper?.unref();
    if (isNeeded) helper?.channel?.ref();
    else helper?.channel?.unref();
  };

  const send = (order: Order): void => {
    const child = (helper ??= open());
    // One that could not be started, or that is gone, emits an event.
    if (!child.connected) return;
    sent = new Promise((done) => {
      child.send(order, () => {
        done();
      });
    });
  };

  const forget = (id: number): void => {
    if (!running.delete(id)) return;
    forgotten.add(id);
    send({ kind: 'forget', id });
    holdNode();
  };

  const spare = async (id: number, graceMs: number): Promise<void> => {
    if (!running.has(id)) return;
    send({ kind: 'spare', id, graceMs });
    await sent;
  };

  const hear = (report: Report): void => {
    const { id } = report;
    const asked = waiting.get(id);
    waiting.delete(id);
    switch (report.kind) {
      case 'started': {
        const ended$ = new ReplaySubject<ExitStatus>(1);
        running.set(id, ended$);
        asked?.resolve({
          pid: report.pid,
          startTime: report.startTime,
          group: report.group,
          streams: report.streams?.map((fd) => `/proc/${String(helper?.pid)}/fd/${String(fd)}`),
          ended$,
          spare: (graceMs) => spare(id, graceMs),
          opened: () => {
            send({ kind: 'opened', id });
          },
          forget: () => {
            forget(id);
          },
        });
        break;
      }
      case 'failed':
        asked?.reject(Object.assign(new Error(report.message), { code: report.code, path: report.path }));
        break;
      case 'ended': {
        const { code, signal, oomKilled } = report;
        const ended$ = running.get(id);
        running.delete(id);
        forgotten.delete(id);
        ended$?.next({ code, signal, ...(oomKilled && { oomKilled }) });
        ended$?.complete();
      }
    }
    holdNode();
  };

  const lose = (lost: ChildProcess, cause: Error): void => {
    if (helper !== lost) return;
    helper = undefined;
    for (const { reject } of waiting.values()) reject(cause);
    waiting.clear();
    for (const ended$ of running.values()) ended$.error(cause);
    running.clear();
    forgotten.clear();
  };

  const open = (): ChildProcess => {
    const { PATH } = process.env;
    const program = nodeProgram(nodePath);
    let hasAnswered = false;
    const child = spawn(program, ['-', 'rx-instances-spawner'], {
      cwd: '/',
      // A group of its own: what a terminal sends to this process is not meant for it.
      detached: true,
      // `ps` gives the time at which a process started in this language.
      env: {
        ...(PATH !== undefined && { PATH }),
        ...{ LC_ALL: 'C', TZ: 'UTC', [spawnerMark]: '1' },
        // With it, Electron runs as Node.js.
        ELECTRON_RUN_AS_NODE: '1',
      },
      // It may be there for longer than this process, and then holds nothing of it open.
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    });
    child.on('message', (report: Report) => {
      hasAnswered = true;
      hear(report);
    });
    // It removes the groups that it has made; not when it was killed.
    child.once('exit', sweepGroups);
    child.once('error', (cause) => {
      // Its code would be taken for that of a program that was to be started.
      lose(child, new Error('the process that starts others could not be started', { cause }));
    });
    child.once('disconnect', () => {
      const ended = 'the process that starts others has ended';
      const likely = `: if ${program} is no Node.js, name one by the option nodePath`;
      lose(child, new Error(hasAnswered ? ended : ended + likely));
    });
    // One that cannot be written to emits one of the two above.
    child.stdin?.on('error', nothing);
    const limitDirs = limitPlaces().map(({ dir }) => dir);
    const known = [process.pid, groupsPlace(), readsOutput ? outputText : undefined, limitDirs].map(
      literalOf,
    );
    child.stdin?.end(`(${spawnerText})(${known.join()})`);
    return child;
  };

  return {
    start: (command) =>
      new Promise((resolve, reject) => {
        const id = (ids += 1);
        send({ kind: 'start', id, command });
        waiting.set(id, { resolve, reject });
        holdNode();
      }),
    read: (output) => {
      send({ kind: 'read', id: (ids += 1), output });
      holdNode();
    },
    close: async () => {
      const child = helper;
      if (child === undefined || waiting.size + running.size > 0) return;
      const lasts = forgotten.size > 0;
      helper = undefined;
      forgotten.clear();
      child.ref();
      const ended = new Promise((done) => child.once('exit', done));
      // A channel that is closed loses what it has not sent yet, and what was to be forgotten would be killed.
      if (sent !== undefined) await unlessHalted(child, sent);
      if (child.connected) {
        const disconnected = new Promise((done) => child.once('disconnect', done));
        child.send({ kind: 'close' } satisfies Order, nothing);
        // If somebody has halted it, it finds its orders once it is resumed.
        await unlessHalted(child, disconnected);
      }
      if (!lasts && child.exitCode === null && child.signalCode === null) await unlessHalted(child, ended);
      child.unref();
      child.channel?.unref();
    },
  };
}

const literalOf = (value: unknown): string => (value === undefined ? 'undefined' : JSON.stringify(value));

/** Waits for something that a process does, unless it is halted. */
const unlessHalted = ({ pid = 0 }: ChildProcess, done: Promise<unknown>): Promise<unknown> => {
  const halted$ = interval(lookEveryMs).pipe(
    mergeMap(() => processTable.find(pid)),
    first((entry) => entry === undefined || isHalted(entry)),
  );
  return firstValueFrom(race(from(done), halted$));
};

const nothing = (): void => undefined;
