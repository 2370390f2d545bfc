import type { RangeOptions } from 'lmdb';
import { StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { pagesFor, roomAhead } from './roomAhead.js';

/** A record as it lies on disk. */
export interface Row {
  readonly key: string;
  readonly bytes: Buffer;
}

/** How many characters a key has at most: what lmdb takes, whatever the size of its pages. */
export const longestKey = 1_978;

/** What a transaction writes, by key; `undefined` takes a record away. */
export type Writes = ReadonlyMap<string, Buffer | undefined>;

/** Keeps bytes by key, in the order of the keys, which are ASCII. Whatever fails does so with {@link StoreFailed}. */
export interface Database {
  get(key: string): Buffer | undefined;
  /** The records from one key on to another, which is left out; at most `limit`. */
  range(from: string, to: string, limit: number): readonly Row[];
  /** The last record from one key on and below another. */
  last(from: string, below: string): Row | undefined;
  /**
   * Writes all or nothing; resolves once it is on disk. Never called while another call is under way. After a failure
   * nothing of it is seen.
   */
  write(writes: Writes): Promise<void>;
  close(): Promise<void>;
}

/** Opens a database of lmdb, for which {@link makeRoom} has laid out the files; an empty one begins with nothing. */
export async function openDatabase(path: string): Promise<Database> {
  const { open } = await import('lmdb');
  const db = attempt('open', () =>
    open<Buffer, Buffer>({
      path,
      noSubdir: true,
      encoding: 'binary',
      // Not its ordered keys, whose decoder takes damaged ones for anything.
      keyEncoding: 'binary',
      // A commit ends when it is on disk, and begins when it is asked for.
      overlappingSync: false,
      eventTurnBatching: false,
    }),
  );

  const makeRoomTo = roomAhead(path);
  let isOpen = true;

  const whileOpen = <T>(work: () => T): T => {
    // lmdb's own answer may be the end of the process.
    if (!isOpen) throw new Error('it is closed');
    return work();
  };

  const reading = (range: RangeOptions): readonly Row[] =>
    attempt('read', () =>
      whileOpen(() => [...db.getRange(range)]).map(({ key, value }) => ({
        key: key.toString('latin1'),
        bytes: value,
      })),
    );

  /** Where the file has to end at least. */
  const endAfter = (writes: Writes): number => {
    const { pageSize, lastPageNumber } = db.getStats() as Stats;
    return (lastPageNumber + 1 + pagesFor(writes, pageSize, lastPageNumber)) * pageSize;
  };

  return {
    get: (key) => attempt('read', () => whileOpen(() => db.get(bytesOf(key)))),
    range: (from, to, limit) => reading({ start: bytesOf(from), end: bytesOf(to), limit }),
    // Backwards, a range begins with its end, if there is such a key.
    last: (from, below) =>
      reading({ start: bytesOf(below), end: bytesOf(from), reverse: true, limit: 2 }).find(
        ({ key }) => key !== below,
      ),
    write: async (writes) => {
      try {
        await makeRoomTo(whileOpen(() => endAfter(writes)));
        await whileOpen(() =>
          // Of `batch` and `transaction` lmdb keeps what was put before one was refused.
          db.childTransaction(() => {
            for (const [key, bytes] of writes) {
              if (bytes === undefined) void db.remove(bytesOf(key));
              else void db.put(bytesOf(key), bytes);
            }
          }),
        );
      } catch (error) {
        throw failed('write', await reasonOf(error));
      }
    },
    close: async () => {
      isOpen = false;
      await db.close();
    },
  };
}

interface Stats {
  readonly pageSize: number;
  readonly lastPageNumber: number;
}

const bytesOf = (key: string): Buffer => Buffer.from(key, 'latin1');

const failed = (doing: string, cause: unknown): StoreFailed =>
  new StoreFailed({ reason: `cannot ${doing}: ${messageOf(cause)}` }, { cause });

function attempt<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw failed(doing, error);
  }
}

/** Of a commit that failed lmdb tells the reason by a Promise that rejects with it. */
async function reasonOf(error: unknown): Promise<unknown> {
  try {
    if (typeof error === 'object' && error !== null && 'commitError' in error) await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}
