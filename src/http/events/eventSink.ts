import type { Observable } from 'rxjs';

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
export const mostWaiting = 65_536;

/** Whether a client has to take what waits before it is sent more. */
export const isBehind = ({ waiting }: EventSink): boolean => waiting > mostWaiting;
