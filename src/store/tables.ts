import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import type * as t from 'io-ts';
import { crc32 } from 'node:zlib';
import { decode, found } from '../codecs/decode.js';
import { id } from '../codecs/id.js';
import { wireInstance } from '../codecs/wire/wireInstance.js';
import { wireSnapshot } from '../codecs/wire/wireSnapshot.js';
import { wireSpec } from '../codecs/wire/wireSpec.js';
import { type Fault, StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import type { Row } from './database.js';
import type { Transaction } from './groupCommit.js';
import * as codecs from './recordCodecs.js';

/**
 * Records of one kind. A record is a byte with its version, four with a checksum of its key and of all else, and JSON.
 * Older versions are understood for ever; the newest is written.
 */
export interface Table<A> {
  /** What every key begins with. */
  readonly prefix: string;
  /** Above every key. */
  readonly end: string;
  /** The newest version of its records. */
  readonly version: number;
  keyOf(name: string): string;
  /** The JSON of a record. @throws {@link StoreFailed} for what JSON can't carry */
  write(value: A): string;
  /** The record of a JSON that {@link Table.write} gave. */
  seal(name: string, json: string): Row;
  /** Both in one. @throws {@link StoreFailed} for what JSON can't carry */
  encode(name: string, value: A): Row;
  /** On the left is what is wrong with the record. */
  decode(row: Row): E.Either<readonly Fault[], A>;
}

/** Tells what does not go together of the name in a key and what stands there. */
type Check<A> = (name: string, value: A) => readonly Fault[];

/**
 * @param newest - how records are written and decoded
 * @param former - how each version before is decoded, the first one first
 */
function table<A>(
  name: string,
  check: Check<A>,
  newest: t.Type<A, unknown>,
  ...former: readonly t.Decoder<unknown, A>[]
): Table<A> {
  const versions = [...former, newest];
  const prefix = `${name}/`;
  const keyOf = (rest: string): string => `${prefix}${rest}`;

  return {
    prefix,
    end: `${name}0`,
    version: versions.length,
    keyOf,
    write: (value) => written(newest, value),
    seal: (rest, json) => sealed(keyOf(rest), versions.length, json),
    encode: (rest, value) => sealed(keyOf(rest), versions.length, written(newest, value)),
    decode: (row) =>
      pipe(
        opened(row),
        E.chain(({ version, json }) => {
          const codec = versions[version - 1];
          return codec === undefined
            ? fault(`version ${String(version)}`, `version 1 to ${String(versions.length)}`)
            : pipe(
                parsed(json),
                E.chain((value) => decode(codec, value)),
                E.chain((value) => {
                  const faults = check(row.key.slice(prefix.length), value);
                  return faults.length === 0 ? E.right(value) : E.left(faults);
                }),
              );
        }),
      ),
  };
}

const isSame =
  (path: string, expected: string): ((known: string, value: string) => readonly Fault[]) =>
  (known, value) =>
    known === value ? [] : [{ path, found: found(value), expected: `${expected}, ${known}` }];

const anything = (): readonly Fault[] => [];
const isOfKey = isSame('id', 'that of the key');
const isSnapshotOf = isSame('snapshot.source_instance_id', 'that of the change');
const isOfChange = isSame('instance.id', 'that of the change');

/** The tables. That of events comes last, so that the log grows at the end of the file's order. */
export const header = table('Header', anything, codecs.header, codecs.header);
export const instances = table(
  'Instance',
  (name, value) => isOfKey(name, value.id),
  wireInstance,
  codecs.firstInstance,
);
export const snapshots = table(
  'Snapshot',
  (name, value) => isOfKey(name, value.id),
  wireSnapshot,
  codecs.firstSnapshot,
);
export const runtimes = table(
  'Runtime',
  (name) => (id.is(name) ? [] : [{ path: '', found: `the key ${found(name)}`, expected: id.name }]),
  codecs.runtime,
);
export const cursors = table('Cursor', anything, codecs.cursor);
/** Records of tables that are their owners', by the name of the table and their key in it. */
export const ownersRecords = table(
  'Record',
  (name) =>
    /^[\x21-\x2e\x30-\x7e]+\/[\x21-\x7e]+$/.test(name)
      ? []
      : [{ path: '', found: `the key ${found(name)}`, expected: 'a table and a key' }],
  codecs.ownersRecord,
);
/** Requests that are remembered, by their place, and the place of each, by who asked and the name that they gave it. */
export const requests = table(
  'Request',
  (name) => (isPlaceName(name) ? [] : [{ path: '', found: `the key ${found(name)}`, expected: 'a place' }]),
  codecs.request,
);
export const requestNames = table('RequestName', anything, codecs.place);
/** Specs that many events have, by their hash, and how many have each. */
export const specs = table('Spec', anything, wireSpec);
export const specUses = table('SpecUses', anything, codecs.uses);
export const events = table(
  'event',
  (name, { instanceId, instance, last, snapshot }) => [
    ...(isPlaceName(name) ? [] : [{ path: '', found: `the key ${found(name)}`, expected: 'a sequence' }]),
    ...[instance, last].flatMap((of) => (of === undefined ? [] : isOfChange(instanceId, of.id))),
    ...(snapshot === undefined ? [] : isSnapshotOf(instanceId, snapshot.instanceId)),
  ],
  codecs.event,
  codecs.firstEvent,
);

/** Those of which the log has its size, in the order of their keys. */
export const logTables: readonly Pick<Table<unknown>, 'prefix' | 'end'>[] = [
  ...[requests, requestNames],
  ...[specs, events],
];

const all: readonly Table<unknown>[] = [
  ...[header, instances, snapshots, runtimes, cursors, ownersRecords],
  ...[requests, requestNames],
  ...[specs, specUses, events],
];

/** The table to which a key belongs. */
export const tableOf = (key: string): Table<unknown> | undefined =>
  all.find(({ prefix }) => key.startsWith(prefix));

/** The name of an event, and of a request; names have the order of sequences, and of places. */
export const placeName = (place: number): string => String(place).padStart(16, '0');

/** Whether a {@link placeName} is what it says. */
export function isPlaceName(name: string): boolean {
  const place = Number(name);
  return Number.isSafeInteger(place) && place > 0 && placeName(place) === name;
}

/** The sequence of an event that can be understood. */
export const sequenceOf = ({ key }: Row): number => Number(key.slice(events.prefix.length));

/** The name of the one header. */
export const headerName = 'store';

/** What the key of a record that was set aside begins with; its old key follows. */
export const damagedPrefix = 'Damaged/';

/** Moves a record that can't be understood out of the way, with its bytes. */
export function setAside(transaction: Transaction<unknown>, { key, bytes }: Row): void {
  transaction.remove(key);
  transaction.put({ key: `${damagedPrefix}${key}`, bytes });
}

/** Makes a record. */
export function sealed(key: string, version: number, json: string): Row {
  const bytes = Buffer.allocUnsafe(headBytes + Buffer.byteLength(json));
  bytes.write(json, headBytes);
  bytes.writeUInt8(version, 0);
  bytes.writeUInt32BE(checksumOf(key, bytes), 1);
  return { key, bytes };
}

/** The version of a record, and what it holds; on the left when it was damaged. */
export function opened({ key, bytes }: Row): E.Either<readonly Fault[], { version: number; json: string }> {
  if (bytes.length <= headBytes) return fault(`${String(bytes.length)} bytes`, 'a record');
  const [found, expected] = [bytes.readUInt32BE(1), checksumOf(key, bytes)];
  if (found !== expected) return fault(`checksum ${hex(found)}`, `checksum ${hex(expected)}`);
  return E.right({ version: bytes.readUInt8(0), json: bytes.toString('utf8', headBytes) });
}

const parsed = (json: string): E.Either<readonly Fault[], unknown> =>
  E.tryCatch(
    () => JSON.parse(json) as unknown,
    () => [{ path: '', found: `${String(json.length)} characters`, expected: 'JSON' }],
  );

function written<A>(codec: t.Encoder<A, unknown>, value: A): string {
  try {
    return JSON.stringify(codec.encode(value));
  } catch (error) {
    throw new StoreFailed({ reason: `cannot write: ${messageOf(error)}` }, { cause: error });
  }
}

const headBytes = 5;

const checksumOf = (key: string, bytes: Buffer): number =>
  crc32(bytes.subarray(headBytes), crc32(bytes.subarray(0, 1), crc32(key)));

const hex = (checksum: number): string => checksum.toString(16).padStart(8, '0');

const fault = (found: string, expected: string): E.Either<readonly Fault[], never> =>
  E.left([{ path: '', found, expected }]);
