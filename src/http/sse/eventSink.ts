import { asyncScheduler, EMPTY, ignoreElements, type Observable, type SchedulerLike, timeout } from 'rxjs';

/** One client of a stream, which takes bytes at its own pace. */
export interface EventSink {
  /** Sends bytes; what the client does not take yet waits in memory. */
  write(bytes: Uint8Array): void;
  /** How many bytes wait in memory. */
  readonly waiting: number;
  /** Emits once when nothing waits any more, or when the client has gone, and completes. */
  readonly drained$: Observable<unknown>;
}

/** With more bytes waiting than this a client is behind: it is sent nothing new until it has taken them. */
const mostWaiting = 65_536;

/** How long a client that is behind may take nothing. */
const longestStallMs = 60_000;

/** Whether a client has to take what waits before it is sent more. */
export const isBehind = ({ waiting }: EventSink): boolean => waiting > mostWaiting;

/** Completes once a client is not behind. Errors: `TimeoutError` where it takes nothing for a minute. */
export const roomFor = (sink: EventSink, scheduler: SchedulerLike = asyncScheduler): Observable<never> =>
  isBehind(sink)
    ? sink.drained$.pipe(timeout({ first: longestStallMs, scheduler }), ignoreElements())
    : EMPTY;
