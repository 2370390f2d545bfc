import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { concat, defer, ignoreElements, merge, mergeMap, type Observable, of } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { decode, decodeOrThrow } from '../codecs/decode.js';
import { json } from '../codecs/json.js';
import { text } from '../codecs/scalars.js';
import { withMethods } from '../codecs/withMethods.js';
import type { KeptTable } from '../instances/keptTable.js';
import type { Logger } from '../instances/logger.js';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';
import type { Json } from '../lifecycle/instance.js';
import type { RecordTables } from '../store/store.js';
import { word } from './callOptions.js';
import type { Turns } from './turns.js';

/** Makes a {@link KeptTable} of a name and a codec. */
export type KeptTables = <Thing>(name: string, codec: t.Type<Thing, Json>) => KeptTable<Thing>;

const mostBytes = 65_536;

/** Creates the {@link KeptTables} of a store. */
export function createKeptTables(
  store: RecordTables,
  whileOpen: Turns['whileOpen'],
  logger: Pick<Logger, 'warn'>,
): KeptTables {
  return (name, codec) => {
    decodeOrThrow(tableCodec, { name, codec });

    const faultsOf = (value: Json): readonly Fault[] => {
      const decoded = decode(codec, value);
      return E.isLeft(decoded) ? decoded.left : [];
    };

    const setAside = (key: string, faults: readonly Fault[]): Observable<never> =>
      defer(() => {
        logger.warn({ table: name, key, faults }, 'a record of a table is not understood, and set aside');
        return store.setAsideRecord(name, key, faultsOf);
      });

    /** Written so that it can be read again, or not at all. */
    const written = (thing: Parameters<typeof codec.encode>[0]): Json => {
      const value = decodeOrThrow(valueCodec, { value: codec.encode(thing) }).value;
      const faults = faultsOf(value);
      if (faults.length > 0) {
        throw new InvalidRequest({
          faults: faults.map((fault) => ({ ...fault, path: `value${fault.path && `.${fault.path}`}` })),
        });
      }
      const bytes = Buffer.byteLength(JSON.stringify(value));
      if (bytes > mostBytes) {
        const expected = `at most ${String(mostBytes)} bytes of JSON`;
        throw new InvalidRequest({ faults: [{ path: 'value', found: `${String(bytes)} bytes`, expected }] });
      }
      return value;
    };

    const on = <T>(key: string, work: () => Observable<T>): Observable<T> =>
      whileOpen(() => {
        decodeOrThrow(keyCodec, { key });
        return work();
      });

    return {
      get: (key) =>
        on(key, () =>
          store.loadRecord(name, key).pipe(
            mergeMap((value) => {
              if (value === undefined) return of(undefined);
              const decoded = decode(codec, value);
              return E.isRight(decoded)
                ? of(decoded.right)
                : concat(setAside(key, decoded.left), of(undefined));
            }),
          ),
        ),
      list: () =>
        whileOpen(() =>
          store.loadRecords(name).pipe(
            mergeMap((kept) => {
              const decoded = [...kept].map(([key, value]) => [key, decode(codec, value)] as const);
              const aside = decoded.map(([key, it]) => (E.isLeft(it) ? setAside(key, it.left) : undefined));
              const things = decoded.flatMap(([key, it]) =>
                E.isRight(it) ? [[key, it.right] as const] : [],
              );
              const aside$ = merge(...aside.filter((each) => each !== undefined)).pipe(ignoreElements());
              return concat(aside$, of(new Map(things)));
            }),
          ),
        ),
      put: (key, thing) => on(key, () => store.saveRecord(name, key, written(thing))),
      remove: (key) => on(key, () => store.saveRecord(name, key, undefined)),
    };
  };
}

const tableCodec = closed('a table', { name: word, codec: withMethods('a codec', 'decode', 'encode') }, {});
const keyCodec = closed(
  'a place in a table',
  {
    key: text('1 to 256 printable characters of ASCII, without spaces', (key) =>
      /^[\x21-\x7e]{1,256}$/.test(key),
    ),
  },
  {},
);
const valueCodec = closed('a record', { value: json }, {});
