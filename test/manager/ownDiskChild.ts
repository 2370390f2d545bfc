/** A manager whose data directory lies on a disk of its own; it does what it is told. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EMPTY, firstValueFrom, lastValueFrom, map, type Observable, take, toArray } from 'rxjs';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import { createQemuDriver } from '../../src/drivers/qemu/qemuDriver.js';
import type { Cursor } from '../../src/lifecycle/event.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/manager/instanceManager.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';
import type { Answer, Call } from './ownDisk.js';

const [, , disk = ''] = process.argv;
const dataDir = join(disk, 'data');
const image = join(disk, 'image');
const ballast = join(disk, 'ballast');
const page = 4_096;

mkdirSync(image);
writeFileSync(join(image, 'large'), Buffer.alloc(64 * page, 1));

const drivers = {
  process: () => createProcessDriver({ pollMs: 5 }),
  qemu: () => createQemuDriver({ accel: 'tcg', pollMs: 5 }),
};

let manager: InstanceManager;
let given: number[] = [];
let failure: unknown;

const isFull = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOSPC';

/** Leaves room for so many pages. */
function fill(pages = 0): void {
  for (const size of [256 * page, page]) {
    const block = Buffer.alloc(size, 1);
    try {
      for (;;) appendFileSync(ballast, block);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }
  if (pages > 0) truncateSync(ballast, readFileSync(ballast).length - pages * page);
}

const calls: Readonly<Record<string, (...args: never[]) => unknown>> = {
  open: async (kind: keyof typeof drivers = 'process') => {
    manager = await openManager({ dataDir, drivers: [drivers[kind]()] });
  },
  close: (stopInstances: boolean) => manager.close({ stopInstances }),
  fill,
  free: () => {
    rmSync(ballast, { force: true });
  },
  /** All that lies in a folder of the data directory. */
  files: (folder: string) => readdirSync(join(dataDir, folder), { recursive: true }).toSorted(),
  /** How long a file of the data directory is. */
  bytes: (file: string) => statSync(join(dataDir, file)).size,
  /** Comes once a file of the data directory is so long. */
  hasGrown: (file: string, bytes: number) =>
    until(
      () => statSync(join(dataDir, file)).size,
      (size) => size >= bytes,
    ),
  /** All lines of a log. */
  lines: (name: string) =>
    lastValueFrom(
      manager.logs(name, { tail: 100_000 }).pipe(
        map(({ text }) => text),
        toArray(),
      ),
    ),
  /** The processes of an instance that do not go away. */
  processes: (instanceId: string) =>
    until(
      () => processesOf(instanceId),
      (pids) => pids.length === 0,
    ),
  /** Begins to work on all events, and to remember how far it came. */
  consume: () => {
    given = [];
    failure = undefined;
    const project = ({ sequence }: { readonly sequence: number }): Observable<never> => {
      given.push(sequence);
      return EMPTY;
    };
    manager.consume('billing', project, { durable: true }).subscribe({
      error: (error: unknown) => {
        failure = error;
      },
    });
  },
  log,
  consumed: () => ({ given, failure: failure && fieldsOf(failure) }),
};

/** The whole log: sequence, action and revision of each event. */
async function log(): Promise<unknown> {
  const change = await firstValueFrom(manager.watch('log'));
  const { epoch, sequence: last } = (change as { readonly cursor: Cursor }).cursor;
  return lastValueFrom(
    manager.events('log', { after: { epoch, sequence: 0 } }).pipe(
      take(last),
      map(({ sequence, action, instance }) => [sequence, action, instance?.revision]),
      toArray(),
    ),
  );
}

const fieldsOf = (error: unknown): Readonly<Record<string, unknown>> => ({
  ...(error as object),
  message: (error as Error).message,
});

async function answer([name, ...args]: Call): Promise<Answer> {
  const verbs = manager as unknown as Readonly<
    Record<string, (...args: readonly unknown[]) => Observable<unknown>>
  >;
  try {
    const call = calls[name] as ((...args: readonly unknown[]) => unknown) | undefined;
    if (call !== undefined) return { value: await call(...args) };
    return {
      value: await lastValueFrom((verbs[name] as (typeof verbs)[string])(...args), {
        defaultValue: undefined,
      }),
    };
  } catch (error) {
    return { failure: fieldsOf(error) };
  }
}

process.on('message', (call: Call) => {
  void answer(call).then((told) => process.send?.(told));
});
process.send?.('ready');
