import { concat, defer, EMPTY, ignoreElements, map, type Observable, of, repeat, takeWhile } from 'rxjs';
import type { LogLine, LogOptions } from '../lifecycle/logLine.js';
import type { ApiManager } from './apiManager.js';
import { type EventSink, isBehind, roomFor } from './sse/eventSink.js';

/** Which log is sent, and where to. */
export interface PacedLog {
  readonly manager: Pick<ApiManager, 'logs'>;
  readonly idOrName: string;
  readonly options: LogOptions;
  readonly sink: EventSink;
  /** A line as it is sent. */
  readonly textOf: (line: LogLine) => string;
}

/** Sends a log at the pace of its client, which holds back nothing but itself: the log is read on once it has taken what waits. Completes with the log. */
export const sendPacedLog = ({
  manager,
  idOrName,
  options: from,
  sink,
  textOf,
}: PacedLog): Observable<never> =>
  defer(() => {
    let options = from;
    const sendLine = (line: LogLine): void => {
      const { tail, ...rest } = options;
      options = { ...rest, after: line.cursor };
      sink.write(Buffer.from(textOf(line)));
    };
    return defer(() => manager.logs(idOrName, options)).pipe(
      map((line) => {
        sendLine(line);
        return isBehind(sink);
      }),
      takeWhile((behind) => !behind, true),
      repeat({ delay: () => (isBehind(sink) ? concat(roomFor(sink), of(undefined)) : EMPTY) }),
      ignoreElements(),
    );
  });
