import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { catchError, from, map, mergeMap, Observable, Subscription, throwError, timeout } from 'rxjs';
import { decode } from '../codecs/decode.js';
import { ApiFailed, describeFault } from '../lifecycle/errors.js';
import { failureOfAnswer, failureOfConnection } from './failures.js';
import { Failure } from './retries.js';
import { readServerEvents, type ServerEvent } from './serverEvents.js';

/** What is asked of an API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, within the base. */
  readonly path: string;
  readonly body?: object;
}

/** An API that is asked; every failure is a {@link Failure}. */
export interface Api {
  /** Asks once, and emits what the answer says. Unsubscribing breaks it off. */
  ask<A>(request: ApiRequest, codec: t.Decoder<unknown, A>): Observable<A>;
  /** Asks once, and emits the events of the answer as they come. Completes when the server ends it. */
  stream(request: ApiRequest): Observable<ServerEvent>;
}

/** Where an API is, and how it is reached. */
export interface ApiAddress {
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly fetch: typeof fetch;
}

/** How long an answer may take. A verb that takes longer is asked for again, by its name. */
const longestAnswerMs = 60_000;

/** Creates an {@link Api}. */
export function createApi({ baseUrl, token, fetch }: ApiAddress): Api {
  const base = baseUrl.replace(/\/+$/, '');

  const init = ({ method, body }: ApiRequest, signal: AbortSignal): RequestInit => ({
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    // A token goes nowhere else.
    redirect: 'error',
    signal,
  });

  /** Emits what is read of the answer; unsubscribed, it breaks that off. */
  const requested = <A>(request: ApiRequest, read: (answer: Response) => Observable<A>): Observable<A> =>
    new Observable<A>((subscriber) => {
      const leaving = new AbortController();
      const reading = new Subscription();
      reading.add(() => {
        leaving.abort();
      });
      fetch(`${base}${request.path}`, init(request, leaving.signal)).then(
        (answer) => {
          reading.add((answer.ok ? read(answer) : refused(answer)).subscribe(subscriber));
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
      return reading;
    });

  return {
    ask: (request, codec) =>
      requested(request, textOf).pipe(
        timeout({ first: longestAnswerMs }),
        mergeMap((text) => understood(text, codec)),
        catchError(asFailure),
      ),
    stream: (request) => requested(request, readServerEvents).pipe(catchError(asFailure)),
  };
}

const textOf = (answer: Response): Observable<string> => from(answer.text());

const refused = (answer: Response): Observable<never> =>
  textOf(answer).pipe(
    map((text) => {
      throw failureOfAnswer(answer.status, answer.headers, parsed(text));
    }),
  );

/** What is cut off is no JSON; whether all of it is there only the connection knows otherwise. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function understood<A>(text: string, codec: t.Decoder<unknown, A>): Observable<A> {
  const value = parsed(text);
  if (value === undefined) return throwError(() => failureOfConnection(new Error('its answer is no JSON')));
  const decoded = decode(codec, value);
  if (E.isRight(decoded)) return from([decoded.right]);
  const reason = `its answer is not understood: ${decoded.left.map(describeFault).join('; ')}`;
  return throwError(() => new Failure(new ApiFailed({ reason }), false));
}

const asFailure = (error: unknown): Observable<never> =>
  throwError(() => (error instanceof Failure ? error : failureOfConnection(error)));
