/** One event of a `text/event-stream`. */
export interface ServerSentEvent {
  /** Its type; without one it is a `message`. Never `error`, `open` or `message`, which browsers emit themselves. */
  readonly event?: string;
  /** What a client sends as `Last-Event-ID` when it reconnects; has no line break. */
  readonly id?: string;
  /** JSON, which has no line break. */
  readonly data: string;
}

/** An event as it is sent. */
export const serverSentEvent = ({ event, id, data }: ServerSentEvent): string =>
  `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;
