import { rm } from 'node:fs/promises';
import {
  catchError,
  concat,
  EMPTY,
  from,
  lastValueFrom,
  merge,
  mergeMap,
  type Observable,
  throwError,
} from 'rxjs';
import type { Driver } from '../drivers/driver.js';
import { causes } from '../lifecycle/cause.js';
import type { Instance } from '../lifecycle/instance.js';
import type { KeyedQueue } from '../streams/keyedQueue.js';
import { createCausedVerbs, type SharedContext } from './causedVerbs.js';
import type { InstanceTable } from './instanceTable.js';
import type { CloseOptions } from './options.js';
import { decodeClose } from './requests.js';
import type { Storage } from './storage.js';

/** What closes a manager. */
export interface ClosingTools {
  readonly shared: SharedContext;
  readonly storage: Storage;
  readonly drivers: ReadonlyMap<string, Driver>;
  readonly table: InstanceTable;
  readonly queue: KeyedQueue;
  /** From now on nothing begins any more. */
  begin(): void;
  /** Nothing happens any more; only the store is still open. */
  end(): void;
}

/** How many instances are stopped at a time. */
const atATime = 16;

const done = (work$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined });

/** Creates what closes a manager, once: called again it gives the same Promise. */
export function createClosing(tools: ClosingTools): (options?: CloseOptions) => Promise<void> {
  const { shared, storage, drivers, table, queue, begin, end } = tools;
  const { machines, logReads, driverOf, homeOf, store } = shared;
  const { isDurable } = storage;
  let closed: Promise<void> | undefined;

  const stopEverything = async (): Promise<void> => {
    const { verbs, snapshotVerbs } = createCausedVerbs(shared, causes.close);
    const failures: unknown[] = [];
    const ended = ({ id, spec }: Instance): Observable<Instance> =>
      queue
        .run(id, () =>
          concat(
            verbs.end(table.get(id)),
            isDurable ? EMPTY : concat(logReads.end(id), driverOf(spec).discard(homeOf(id))),
          ),
        )
        .pipe(
          catchError((error: unknown) => {
            failures.push(error);
            return EMPTY;
          }),
        );
    await done(from(table.all()).pipe(mergeMap(ended, atATime)));
    if (failures.length > 0) throw new AggregateError(failures, 'some instances could not be stopped');
    if (isDurable) return;
    await done(snapshotVerbs.discardAll());
    // Another one that opens may look for a moment who holds it, and lies there meanwhile.
    await rm(storage.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  };

  const close = async ({ stopInstances = !isDurable }: CloseOptions): Promise<void> => {
    begin();
    await done(queue.whenIdle());
    try {
      if (stopInstances) await stopEverything();
      else await storage.leave();
    } finally {
      machines.detachAll();
      await done(logReads.end());
      await done(queue.whenIdle());
      await done(merge(...[...drivers.values()].map((driver) => driver.close?.() ?? EMPTY)));
      end();
      await done(store.close());
    }
  };

  return (options = {}) => {
    if (closed !== undefined) return closed;
    try {
      const decoded = decodeClose(options);
      return (closed = close(decoded));
    } catch (error) {
      return lastValueFrom(throwError(() => error));
    }
  };
}
