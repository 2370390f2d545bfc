import { createId } from '@paralleldrive/cuid2';
import * as E from 'fp-ts/lib/Either.js';
import { type Fault, StoreFailed } from '../lifecycle/errors.js';
import type { Database, Row } from './database.js';
import { emptySpan, type PlaceSpan, type StoreState } from './logSpan.js';
import type { Header } from './recordCodecs.js';
import { recordCounts } from './recordTables.js';
import { scan } from './scan.js';
import {
  events,
  header,
  headerName,
  isPlaceName,
  logTables,
  opened,
  requests,
  sequenceOf,
} from './tables.js';

/** What a database says of its event log, and what else is known as it is opened. */
export interface FoundLog {
  readonly header: Header;
  readonly state: StoreState;
  /** Whether the header is another than the one that is kept. */
  readonly isAnother: boolean;
  /** Whether it was begun in another file: this one is a copy, be it of an earlier time. */
  readonly isCopy: boolean;
  /** What can't be understood at the log's beginning and end, and of the header. */
  readonly damaged: readonly DamagedRow[];
}

/** A record that can't be understood. */
export interface DamagedRow {
  readonly row: Row;
  readonly faults: readonly Fault[];
}

/**
 * Looks where the log begins and ends. It goes on under another name when its end can't be understood, or when the file
 * is another than the one it was begun in (`origin`): others may have seen events that are not in it.
 *
 * @param formerOrigin - how an earlier version would tell the same file
 * @param logBytes - how much the records of the log take, specs and requests included, if it is known already
 * @throws {@link StoreFailed} when a newer program wrote it
 */
export function findLog(
  database: Database,
  origin: string,
  formerOrigin: string,
  logBytes?: number,
): FoundLog {
  const damaged: DamagedRow[] = [];
  const understood = (row: Row): boolean => {
    const event = events.decode(row);
    if (E.isLeft(event)) damaged.push({ row, faults: event.left });
    return E.isRight(event);
  };

  /** To go through all the places before it one by one would take for ever. */
  const isFarOff = (row: Row): boolean => {
    const before = database.last(events.prefix, row.key);
    const highest = before === undefined ? highestFirst : sequenceOf(before) + longestHole;
    const sequence = sequenceOf(row);
    if (sequence <= highest) return false;
    const expected = `a sequence of at most ${String(highest)}`;
    damaged.push({ row, faults: [{ path: 'sequence', found: String(sequence), expected }] });
    return true;
  };

  const known = headerOf(database, damaged);
  let last = database.last(events.prefix, events.end);
  while (last !== undefined && (!understood(last) || isFarOff(last))) {
    last = database.last(events.prefix, last.key);
  }
  const isCopy = known !== undefined && known.origin !== origin && known.origin !== formerOrigin;
  const isWhole = known !== undefined && !isCopy && damaged.length === 0;

  const end = last?.key ?? events.prefix;
  let [first] = database.range(events.prefix, end, 1);
  while (first !== undefined && !understood(first)) [first] = database.range(`${first.key}\0`, end, 1);

  const floor = known?.floor ?? 1;
  const sequence = last === undefined ? floor - 1 : sequenceOf(last);
  const begun = first ?? last;
  const oldest = begun === undefined ? floor : sequenceOf(begun);
  const aside = damaged.filter(({ row }) => row.key.startsWith(events.prefix));
  const bytes = aside.reduce((rest, { row }) => rest - row.bytes.length, logBytes ?? bytesIn(database));
  return {
    header: { epoch: isWhole ? known.epoch : createId(), origin, floor: oldest },
    state: {
      ...{ oldest, sequence, bytes, requests: requestPlaces(database) },
      recordCounts: recordCounts(database),
    },
    isAnother: !isWhole || known.origin !== origin || !isNewest(database),
    isCopy,
    damaged,
  };
}

/** No log loses so many events in a row, nor comes so far. */
const longestHole = 2 ** 24;
const highestFirst = 2 ** 52;

/** The places of the requests that are remembered; what is not where one can be is nobody's. */
function requestPlaces(database: Database): PlaceSpan {
  const placeOf = ({ key }: Row): number => {
    const name = key.slice(requests.prefix.length);
    return isPlaceName(name) ? Number(name) : Infinity;
  };
  let [first] = database.range(requests.prefix, requests.end, 1);
  while (first !== undefined && placeOf(first) > highestFirst) {
    [first] = database.range(`${first.key}\0`, requests.end, 1);
  }
  if (first === undefined) return emptySpan.requests;
  const oldest = placeOf(first);
  let last = database.last(requests.prefix, requests.end) ?? first;
  while (placeOf(last) > oldest + longestHole) last = database.last(requests.prefix, last.key) ?? first;
  return { oldest, next: placeOf(last) + 1 };
}

function bytesIn(database: Database): number {
  let bytes = 0;
  for (const { prefix, end } of logTables) {
    for (const row of scan(database, prefix, end)) bytes += row.bytes.length;
  }
  return bytes;
}

/** Whether the header tells a program before this one that it would not understand what is written. */
function isNewest(database: Database): boolean {
  const key = header.keyOf(headerName);
  const record = opened({ key, bytes: database.get(key) ?? Buffer.alloc(0) });
  return E.isRight(record) && record.right.version === header.version;
}

function headerOf(database: Database, damaged: DamagedRow[]): Header | undefined {
  const key = header.keyOf(headerName);
  const bytes = database.get(key);
  if (bytes === undefined) return undefined;
  const row = { key, bytes };
  const decoded = header.decode(row);
  if (E.isRight(decoded)) return decoded.right;
  const record = opened(row);
  if (E.isRight(record) && record.right.version > header.version) {
    throw new StoreFailed({
      reason: `its format has version ${String(record.right.version)}, of which this program knows up to ${String(header.version)}`,
    });
  }
  damaged.push({ row, faults: decoded.left });
  return undefined;
}
