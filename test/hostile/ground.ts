import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { filter, firstValueFrom, lastValueFrom, map, toArray } from 'rxjs';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { CreateRequest } from '../../src/instances/instanceRequests.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/manager/instanceManager.js';
import type { ManagerOptions } from '../../src/manager/options.js';
import { kernelViewOf } from '../support/processes.js';
import { eventually } from './eventually.js';
import { createOutside, type Outside } from './outside.js';

/** A process that has nothing to do with us. */
export interface Stranger {
  readonly pid: number;
  /** When it started, in the words of the process table. */
  readonly startTime: string;
  /** Throws when somebody has ended or halted it. */
  lives(): void;
}

/** Where an attack is played: a folder of its own, a manager, and what is none of its business. */
export interface Ground {
  readonly folder: string;
  readonly dataDir: string;
  readonly outside: Outside;
  /** How often what is a matter of luck is tried. */
  readonly rounds: number;
  /** All that managers told their logger. */
  readonly told: readonly string[];
  /** The users as whom the program in an instance may run. */
  readonly users: readonly User[];
  /** Opens the manager of the data directory, with a driver of processes unless it is given others. */
  open(options?: Partial<ManagerOptions>): Promise<InstanceManager>;
  /** Closes the last manager that was opened; what runs runs on. */
  close(): Promise<void>;
  homeOf(instance: { readonly id: string }): string;
  stranger(env?: Readonly<Record<string, string>>): Stranger;
  /** A request for a program in JavaScript, which ends by itself after half a minute. */
  program(name: string, script: string, user?: User): CreateRequest;
  /** Ends all that is left of it. */
  clear(): Promise<void>;
}

/** The user of the manager, or another. */
export type User = 'same' | 'other';

/** User and group of nobody in particular. */
export const nobody = 65_534;

/** What precedes a command that runs as another user. */
export const asNobody = [
  'setpriv',
  `--reuid=${String(nobody)}`,
  `--regid=${String(nobody)}`,
  '--clear-groups',
];

/** Whether we are the superuser. */
export const isRoot = process.geteuid?.() === 0;

/** Makes a {@link Ground}. */
export function createGround(rounds: number): Ground {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ground-')));
  // Other users come as far as the data directory.
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const outside = createOutside(folder);
  const told: string[] = [];
  const strangers: ChildProcess[] = [];
  let manager: InstanceManager | undefined;

  const tell =
    (level: string) =>
    (fields: object, message: string): void => {
      told.push(`${level} ${message} ${inspect(fields, { depth: 20 })}`);
    };
  const logger = { debug: tell('debug'), info: tell('info'), warn: tell('warn') };

  const close = async (stopInstances = false): Promise<void> => {
    const last = manager;
    manager = undefined;
    await last?.close({ stopInstances });
  };

  return {
    folder,
    dataDir,
    outside,
    rounds,
    told,
    users: isRoot ? ['same', 'other'] : ['same'],
    open: async (options = {}) => {
      await close();
      return (manager = await openManager({
        dataDir,
        drivers: [createProcessDriver({ pollMs: 20 })],
        logger,
        ...options,
      }));
    },
    close: () => close(),
    homeOf: ({ id }) => join(dataDir, 'instances', id),
    stranger: (env = {}) => {
      const child = spawn('sleep', ['60'], {
        detached: true,
        stdio: 'ignore',
        env: { ...process.env, ...env },
      });
      strangers.push(child);
      const { pid = 0 } = child;
      return {
        pid,
        startTime: startTimeOf(pid),
        lives: () => {
          assert.equal(kernelViewOf(pid)?.state, 'S', 'a process of others was ended or halted');
        },
      };
    },
    program: (name, script, user = 'same') => ({
      name,
      image: 'scratch',
      entrypoint: [
        ...(user === 'other' ? asNobody : []),
        process.execPath,
        '-e',
        `setTimeout(() => process.exit(7), 30_000);\n${script}`,
        folder,
      ],
      stopGraceMs: 100,
    }),
    clear: async () => {
      try {
        await close(true);
      } finally {
        for (const child of strangers) child.kill('SIGKILL');
        await eventually(
          () => {
            const left = processesNaming(folder);
            for (const pid of left) kill(pid);
            return left;
          },
          ({ length }) => length === 0,
          'what the attack has started is still there',
        );
        removeAll(folder);
      }
    },
  };
}

/** Removes a folder however deep it is, which Node's own way does not. */
export const removeAll = (folder: string): void => {
  execFileSync('rm', ['-rf', folder]);
};

/** Makes a folder of images, in which everybody may write. */
export function openImage(ground: Ground): string {
  const image = join(ground.folder, 'image');
  mkdirSync(image);
  chmodSync(image, 0o777);
  return image;
}

export const value = firstValueFrom;

/** The last lines of a log. */
export const tail = (manager: InstanceManager, name: string, lines = 100): Promise<readonly string[]> =>
  lastValueFrom(
    manager.logs(name, { tail: lines }).pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );

/** Resolves once a line of the log is this. */
export async function says(manager: InstanceManager, name: string, line: string): Promise<void> {
  await firstValueFrom(
    manager.logs(name, { follow: true, tail: 1_000 }).pipe(filter(({ text }) => text === line)),
  );
}

/** What came of a try: whatever fails has to fail with an error of ours. */
export async function tried<T>(work: Promise<T>): Promise<{ readonly value?: T; readonly error?: Error }> {
  try {
    return { value: await work };
  } catch (error) {
    assert.ok(error instanceof Error, 'it failed with no error');
    assert.ok(
      '_tag' in error && typeof error._tag === 'string',
      `it failed with an error that is none of ours: ${error.name}: ${error.message.slice(0, 200)}`,
    );
    assert.ok(error.message.length < 65_536, `the message has ${String(error.message.length)} characters`);
    return { error };
  }
}

/** What came of a try that has to be refused, with one of these tags. */
export async function refused(work: Promise<unknown>, ...tags: readonly string[]): Promise<Error> {
  const { error } = await tried(work);
  assert.ok(error !== undefined, 'it was not refused');
  const tag = String((error as { readonly _tag?: unknown })._tag);
  assert.ok(tags.includes(tag), `it was refused with ${tag}: ${error.message.slice(0, 400)}`);
  return error;
}

/** When a process started, in ticks since the boot. */
export function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** The parent of a process. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** The session of a process; 0 when it has ended. */
export function sessionOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
  } catch {
    return 0;
  }
}

/** Pids of the processes that have a folder in their command line, or work in it. */
export const processesNaming = (folder: string): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        if (Number.isNaN(pid) || pid === process.pid || kernelViewOf(pid) === undefined) return false;
        const proc = join('/proc', String(pid));
        return [readFileSync(join(proc, 'cmdline'), 'utf8'), readlinkSync(join(proc, 'cwd'))].some((trace) =>
          trace.includes(folder),
        );
      } catch {
        return false;
      }
    });

/** Ends a process, if it is still there. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
