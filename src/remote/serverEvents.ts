import { createParser } from 'eventsource-parser';
import { from, mergeMap, Observable, timeout } from 'rxjs';

/** One event of a stream of server-sent events. */
export interface ServerEvent {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

/** The server says something each 15 s: what is silent for so long is dead. */
const longestSilenceMs = 45_000;

/** Emits the events of an answer as they come; completes with it. Errors where its connection is cut, or silent for 45 s. */
export const readServerEvents = ({ body }: Response): Observable<ServerEvent> =>
  chunksOf(body).pipe(timeout({ each: longestSilenceMs }), eventsOf());

const chunksOf = (body: ReadableStream<Uint8Array> | null): Observable<Uint8Array> =>
  new Observable((subscriber) => {
    const reader = body?.getReader();
    const readOn = (): void => {
      reader?.read().then(
        ({ done, value }) => {
          if (done) subscriber.complete();
          else {
            subscriber.next(value);
            if (!subscriber.closed) readOn();
          }
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
    };
    if (reader === undefined) subscriber.complete();
    else readOn();
  });

/** What is cut off in the middle of an event is left out. */
const eventsOf =
  () =>
  (chunks$: Observable<Uint8Array>): Observable<ServerEvent> =>
    new Observable<ServerEvent>((subscriber) => {
      const decoder = new TextDecoder();
      let events: ServerEvent[] = [];
      const parser = createParser({
        onEvent: ({ event = 'message', id, data }) => {
          events.push({ type: event, id, data: JSON.parse(data) as unknown });
        },
      });
      return chunks$
        .pipe(
          mergeMap((chunk) => {
            events = [];
            parser.feed(decoder.decode(chunk, { stream: true }));
            return from(events);
          }),
        )
        .subscribe(subscriber);
    });
