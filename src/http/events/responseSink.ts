import type { ServerResponse } from 'node:http';
import { fromEvent, merge, take } from 'rxjs';
import type { EventSink } from './eventSink.js';

const headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // A proxy that collects answers would hold back what should come at once.
  'x-accel-buffering': 'no',
};

/** The client of an answer that is a stream of events: its head is sent at once. */
export function responseSink(response: ServerResponse): EventSink {
  response.writeHead(200, headers);
  response.flushHeaders();
  return {
    write: (bytes) => {
      response.write(bytes);
    },
    get waiting() {
      return response.writableLength;
    },
    // After a close no drain ever comes.
    drained$: merge(fromEvent(response, 'drain'), fromEvent(response, 'close')).pipe(take(1)),
  };
}
