import assert from 'node:assert/strict';
import { type Driver, type Machine, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import pWaitFor from 'p-wait-for';
import {
  concatMap,
  defer,
  firstValueFrom,
  lastValueFrom,
  map,
  type Observable,
  of,
  Subject,
  timer,
} from 'rxjs';
import { instance } from '../events.js';
import type { Bench, Contender, Session } from '../harness/bench.js';
import { createDaytonaSandbox } from '../peers/daytonaSandbox.js';
import { rxjsRace } from '../peers/rxjsRace.js';

const waiters = 20;
const seconds = 3;
const pollMs = 100;
const ticks = (seconds * 1_000) / pollMs;
const row = '20 waits, 3 s, a poll every 100 ms';
/** What a driver takes to answer. */
const readMs = 15;

/** Counts how often the truth is asked for, and answers after a while, always the same. */
function createTruth() {
  let reads = 0;
  return {
    count: () => reads,
    ask: <T>(answer: () => Observable<T>): Observable<T> =>
      defer(() => {
        reads += 1;
        return timer(readMs).pipe(concatMap(answer));
      }),
  };
}

type Truth = ReturnType<typeof createTruth>;

/** A sample is how many reads the waits cause in the time; then they are given up. */
function stage(begin: (truth: Truth) => Promise<() => void> | (() => void)): Session {
  const reads = async (ms: number): Promise<number> => {
    const truth = createTruth();
    const giveUp = await begin(truth);
    await lastValueFrom(timer(ms));
    giveUp();
    return truth.count();
  };
  return {
    check: async () => {
      assert.ok((await reads(pollMs * 3)) > 0, 'somebody looks');
    },
    sample: () => reads(seconds * 1_000),
  };
}

/** The driver `memory`, whose machines are asked for their state as if that took a while. */
function slowDriver({ ask }: Truth): Driver {
  const driver = createMemoryDriver();
  const slow = (machine: Machine): Machine => ({ ...machine, inspect: () => ask(() => machine.inspect()) });
  return { ...driver, launch: (plan) => driver.launch(plan).pipe(map(slow)) };
}

const ours: Contender = {
  name: 'ours',
  open: () =>
    stage(async (truth) => {
      const manager = await openManager({ drivers: [slowDriver(truth)] });
      const readiness = { kind: 'tcp', port: 80 } as const;
      const { id } = await firstValueFrom(manager.create({ name: 'waited', image: 'any', readiness }));
      const waits = Array.from({ length: waiters }, () =>
        manager.waitForState(id, 'Running', { pollMs }).subscribe(),
      );
      return () => {
        for (const wait of waits) wait.unsubscribe();
        void manager.close();
      };
    }),
};

const initializing = instance('waited', 'Initializing');

const daytona: Contender = {
  name: 'Daytona, re-told',
  open: () =>
    stage(({ ask }) => {
      const { state } = initializing;
      const sandbox = createDaytonaSandbox(() => lastValueFrom(ask(() => of(state))), state);
      const over = Array.from({ length: waiters }, () => new AbortController());
      for (const { signal } of over) void sandbox.waitFor('Running', pollMs, signal);
      return () => {
        for (const controller of over) controller.abort();
      };
    }),
};

const race: Contender = {
  name: 'RxJS race',
  open: () =>
    stage(({ ask }) => {
      const patience = { timeoutMs: 60_000, pollMs };
      const waits = Array.from({ length: waiters }, () =>
        rxjsRace(new Subject(), () => ask(() => of(initializing)), 'waited', 'Running', patience).subscribe(),
      );
      return () => {
        for (const wait of waits) wait.unsubscribe();
      };
    }),
};

const polling: Contender = {
  name: 'p-wait-for',
  open: () =>
    stage(({ ask }) => {
      // Not by a signal: it would leave a listener for each of its polls.
      let isOver = false;
      const isRunning = async (): Promise<boolean> =>
        isOver || (await lastValueFrom(ask(() => of(initializing)))).state === 'Running';
      for (let index = 0; index < waiters; index += 1) void pWaitFor(isRunning, { interval: pollMs });
      return () => {
        isOver = true;
      };
    }),
};

/** How often the truth is asked for when many wait for one instance. */
export const reads: Bench = {
  name: 'reads',
  title: 'Reads that the waits for one instance cause',
  unit: 'reads',
  rowsAre: '',
  rows: [row],
  rounds: 2,
  contenders: [ours, daytona, race, polling],
  goals: [{ what: 'one per tick', of: { contender: ours.name, row }, atMost: ticks }],
  about:
    "How often a driver that takes 15 ms to answer is asked, while 20 wait for one instance for 3 s with a poll every 100 ms. Daytona's client polls for each of its waiters; p-wait-for is handed the same interval.",
};
