import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { concat, map, type Observable, takeWhile, throwError } from 'rxjs';
import { decode } from '../codecs/decode.js';
import { wireLogLine } from '../codecs/wire/wireCalls.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { ApiFailed, describeFault } from '../lifecycle/errors.js';
import type { LogLine } from '../lifecycle/logLine.js';
import type { Api } from './api.js';
import { failureOfStream } from './failures.js';
import { Failure } from './retries.js';
import type { ServerEvent } from './serverEvents.js';

/** A call that is answered by a stream. */
export interface StreamCall {
  readonly verb: 'logs' | 'run';
  readonly given: readonly unknown[];
  /** Whether its lines are wanted too. */
  readonly lines?: boolean;
}

/** Emits what a call says, and completes once that is all: what ends before is cut off. */
export const saidOf = (api: Api, { verb, given, lines = false }: StreamCall): Observable<ServerEvent> => {
  const body = { arguments: given, ...(lines && { lines }) };
  return concat(api.stream({ method: 'POST', path: `/calls/${verb}`, body }), ended$).pipe(
    map((event) => {
      if (event.type === 'failed') throw failureOfStream(event.data);
      return event;
    }),
    takeWhile(({ type }) => type !== 'done'),
  );
};

const ended$ = throwError(
  () => new Failure(new ApiFailed({ reason: 'its answer was cut off before its end' }), true),
);

/** A line as it was sent. */
export const lineOf = (data: unknown): LogLine =>
  understood(wireLogLine as t.Decoder<unknown, unknown>, data) as LogLine;

/** What was sent of a call. @throws {@link Failure} */
export function understood<A>(codec: t.Decoder<unknown, A>, data: unknown): A {
  const decoded = decode(codec, data);
  if (E.isRight(decoded)) return deepFreeze(decoded.right);
  const reason = `its answer is not understood: ${decoded.left.map(describeFault).join('; ')}`;
  throw new Failure(new ApiFailed({ reason }), false);
}
