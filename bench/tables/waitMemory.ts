import assert from 'node:assert/strict';
import type { Instance, LifecycleEvent } from 'rx-instances';
import { firstValueFrom, type Observable, of, Subject } from 'rxjs';
import { event, instance } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { openCrowd } from '../harness/crowd.js';
import { heap } from '../harness/heap.js';
import { rxjsRace } from '../peers/rxjsRace.js';

const apart = 'each for an instance of its own';
const together = 'all for one instance';
const rows = [apart, together];
const count = 5_000;
const patience = { timeoutMs: 300_000, pollMs: 300_000 };

interface Waits {
  /** Makes so many more instances, and gives their ids. */
  create(count: number): Promise<readonly string[]>;
  wait(instanceId: string): Outcome$;
  /** Lets an instance become Running. */
  run(instanceId: string): void;
}

type Outcome$ = Observable<Pick<Instance, 'state'>>;
type Begin = (waiting$: Outcome$) => object;

/** A sample is what the heap grew by for each of many waits that were begun and are still pending. */
function stage(row: Row, { create, wait, run }: Waits, begin: Begin): Session {
  let ids: readonly string[] | undefined;
  return {
    check: async () => {
      const [id = ''] = await create(1);
      const outcome = firstValueFrom(wait(id));
      run(id);
      assert.equal((await outcome).state, 'Running', 'a wait ends with its state');
    },
    sample: async () => {
      ids ??= await create(row === apart ? count : 1);
      // Of one size from the beginning, so that the list itself does not count.
      const pending = new Array<object | undefined>(count).fill(undefined);
      const before = await heap();
      for (let index = 0; index < count; index += 1) {
        pending[index] = begin(wait(ids[index % ids.length] ?? ''));
      }
      const bytes = (await heap()) - before;
      for (const held of pending) (held as { unsubscribe?: () => void }).unsubscribe?.();
      return bytes / count;
    },
  };
}

const nothing = (): void => undefined;
const asObservable: Begin = (waiting$) => waiting$.subscribe(nothing);
const asPromise: Begin = (waiting$) => firstValueFrom(waiting$);

const oursAs = (name: string, begin: Begin): Contender => ({
  name,
  open: async (row) => {
    const { manager, driver, create } = await openCrowd();
    return stage(
      row,
      {
        create,
        wait: (instanceId) => manager.waitForState(instanceId, 'Running', patience),
        run: (instanceId) => {
          driver.machine(instanceId).ready();
        },
      },
      begin,
    );
  },
});

const ours = oursAs('ours', asObservable);

const race: Contender = {
  name: 'RxJS race',
  open: (row) => {
    const events$ = new Subject<LifecycleEvent>();
    const read = (instanceId: string) => of(instance(instanceId, 'Initializing'));
    return stage(
      row,
      {
        create: (length) => Promise.resolve(Array.from({ length }, (_, index) => `waited${String(index)}`)),
        wait: (instanceId) => rxjsRace(events$, read, instanceId, 'Running', patience),
        run: (instanceId) => {
          events$.next(event(1, instanceId));
        },
      },
      asObservable,
    );
  },
};

/** What a pending wait holds in memory, deadline and poll included. */
export const waitMemory: Bench = {
  name: 'wait-memory',
  title: 'Memory of a pending wait',
  unit: 'bytes',
  rowsAre: '5,000 waits',
  rows,
  rounds: 3,
  contenders: [ours, oursAs('ours, as a Promise', asPromise), race],
  goals: rows.map((row) => ({
    what: `${row}, as an Observable`,
    of: { contender: ours.name, row },
    atMost: 1_000,
  })),
  about:
    'What the heap grew by for each of 5,000 waits that were subscribed to and are pending, deadline and poll included: `waitForState` of a manager, and the race of operators as one writes it.',
};
