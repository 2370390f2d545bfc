import * as t from 'io-ts';
import { map, type Observable, throwError } from 'rxjs';
import { cursorCodec } from '../codecs/wire/cursorText.js';
import { wireEvent } from '../codecs/wire/wireEvent.js';
import { required, wireObject } from '../codecs/wire/wireObject.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { InvalidRequest } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { LifecycleLog } from '../streams/lifecycleLog.js';
import type { Api } from './api.js';
import { again, told } from './retries.js';

/** A part of the log, and the place after it. */
export interface LogPage {
  readonly events: readonly LifecycleEvent[];
  readonly cursor: Cursor;
}

const pageCodec = wireObject('a page of events', {
  events: required('events', t.readonlyArray(wireEvent, 'events')),
  cursor: required('cursor', cursorCodec),
});

/** Reads what the log of an API has after a place; without one, only where it ends now. Tries again so often at most. */
export const readPage = (
  api: Api,
  { after, limit }: { readonly after?: Cursor; readonly limit: number },
  mostFailures: number,
): Observable<LogPage> => {
  const place = after === undefined ? '' : `&after=${encodeURIComponent(cursorCodec.encode(after))}`;
  return api
    .ask({ method: 'GET', path: `/events?limit=${String(limit)}${place}` }, pageCodec)
    .pipe(again(mostFailures), map(deepFreeze));
};

const noPlaces = (): Observable<never> =>
  throwError(
    () =>
      new InvalidRequest({
        faults: [
          {
            path: 'durable',
            found: 'true',
            expected:
              'false: places are remembered where the manager is; keep the last event and go on `after` it',
          },
        ],
      }),
  );

/** The log of an API as a bus reads it: for as long as it takes. */
export const remoteLog = (api: Api, head: () => Cursor): LifecycleLog => ({
  head,
  read: (after, limit) => readPage(api, { after, limit }, Infinity).pipe(told),
  loadCursor: noPlaces,
  saveCursor: noPlaces,
});
