import { Observable } from 'rxjs';
import { StoreFailed } from '../lifecycle/errors.js';
import { type Database, longestKey, type Row } from './database.js';

/** One transaction, as a task sees it: its own writes and those of the tasks before it are seen. */
export interface Transaction<State> {
  /** What is known besides the records; it becomes what it was when the transaction fails. */
  state: State;
  get(key: string): Buffer | undefined;
  put(row: Row): void;
  remove(key: string): void;
}

/** Writes many things with one flush of the disk. */
export interface GroupCommit<State> {
  /** What is known as of the last transaction that is on disk. */
  state(): State;
  /**
   * Takes part in the next transaction: `task` says what to write, and its result is emitted once that is on disk, in the
   * order of the subscribes. A task that throws fails alone; a transaction that fails fails all that take part in it.
   */
  run<Result>(task: (transaction: Transaction<State>) => Result): Observable<Result>;
  /** Resolves when nothing is under way. */
  whenIdle(): Promise<void>;
}

/** How many tasks take part in one transaction at most. */
const mostTogether = 1_000;

interface Member<State> {
  /** Returns how to tell its end. */
  take(transaction: Transaction<State>): () => void;
  fail(error: unknown): void;
}

/** Creates a {@link GroupCommit}. What is asked for in one turn goes together, and what comes while the disk is busy. */
export function createGroupCommit<State>(database: Database, initial: State): GroupCommit<State> {
  const waiting: Member<State>[] = [];
  let state = initial;
  let writing: Promise<void> | undefined;

  const writeAll = async (): Promise<void> => {
    // What else is asked for in this turn.
    await Promise.resolve();
    while (waiting.length > 0) await writeTogether(waiting.splice(0, mostTogether));
    writing = undefined;
  };

  const writeTogether = async (members: readonly Member<State>[]): Promise<void> => {
    const writes = new Map<string, Buffer | undefined>();
    let next = state;

    const ends = members.map((member) => {
      const own = new Map<string, Buffer | undefined>();
      const transaction: Transaction<State> = {
        state: next,
        get: (key) => {
          const changed = [own, writes].find((map) => map.has(key));
          return changed === undefined ? database.get(key) : changed.get(key);
        },
        put: ({ key, bytes }) => {
          // Here it fails alone; in the database, with all others.
          if (key.length > longestKey)
            throw new StoreFailed({ reason: `cannot write: the key ${key.slice(0, 40)}… is too long` });
          own.set(key, bytes);
        },
        remove: (key) => own.set(key, undefined),
      };
      try {
        const done = member.take(transaction);
        next = transaction.state;
        for (const [key, bytes] of own) writes.set(key, bytes);
        return { done, fail: member.fail };
      } catch (error) {
        const fail = (): void => {
          member.fail(error);
        };
        return { done: fail, fail };
      }
    });

    try {
      if (writes.size > 0) await database.write(writes);
    } catch (error) {
      for (const { fail } of ends) fail(error);
      return;
    }
    state = next;
    for (const { done } of ends) done();
  };

  return {
    state: () => state,
    run: (task) =>
      new Observable((subscriber) => {
        waiting.push({
          take: (transaction) => {
            const result = task(transaction);
            return () => {
              subscriber.next(result);
              subscriber.complete();
            };
          },
          fail: (error) => {
            subscriber.error(error);
          },
        });
        writing ??= writeAll();
      }),
    whenIdle: async () => {
      while (writing !== undefined) await writing;
    },
  };
}
