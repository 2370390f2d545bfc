import { request } from 'node:http';
import {
  catchError,
  defer,
  filter,
  ignoreElements,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  repeat,
  retry,
  take,
  takeWhile,
  timeout,
} from 'rxjs';
import type { Readiness } from '../../lifecycle/instance.js';
import { linePattern } from '../linePattern.js';
import { accepts } from './accepts.js';
import type { LogFiles } from './logFiles.js';
import { followFrom } from './logReader.js';

/** What the readiness of a machine is read from. */
export interface ReadinessOptions {
  readonly log: LogFiles;
  /** Where in the log the machine's run begins. */
  readonly logStart: number;
  /** What names the machine's run in the log, where that does: what another has written readies nobody. */
  readonly run: string | undefined;
  readonly pollMs: number;
  /** Whether who listens on a port is of the machine; without it, that is believed. */
  readonly isOwnPort?: (port: number) => Promise<boolean>;
}

/** How many bytes of a log are held against a pattern at a time. */
const longestPiece = 4_096;

/** How long a server may take to answer one question. */
const answerMs = 2_000;

/** Completes once the readiness is there; asks until then. It is never there for a pattern that is no {@link linePattern}. */
export function readinessOf(
  readiness: Readiness,
  { log, logStart, run, pollMs, isOwnPort = believed }: ReadinessOptions,
): Observable<never> {
  const askedOf = (port: number, question: () => Observable<boolean>): Observable<never> =>
    asked(() => question().pipe(mergeMap(async (isSo) => isSo && isOwnPort(port))), pollMs);

  switch (readiness.kind) {
    case 'log': {
      const pattern = linePattern(readiness.pattern);
      // One that an earlier version has kept, and that cannot be matched in linear time.
      if (pattern === undefined) return NEVER;
      return followFrom(log, logStart, { pollMs, end$: NEVER }, longestPiece).pipe(
        filter((line) => line.run === run && pattern.test(line.text)),
        take(1),
        ignoreElements(),
        // A log that cannot be read now may be readable later.
        retry({ delay: pollMs }),
      );
    }
    case 'tcp':
      return askedOf(readiness.port, () => accepts({ host, port: readiness.port }));
    case 'http':
      return askedOf(readiness.port, () => answers(readiness.port, readiness.path));
  }
}

/** Asks until the answer is yes, and completes then. No answer, and a failure, are no. */
export const asked = (question: () => Observable<boolean>, pollMs: number): Observable<never> =>
  defer(question).pipe(
    timeout(answerMs),
    catchError(() => of(false)),
    repeat({ delay: pollMs }),
    takeWhile((isReady) => !isReady),
    ignoreElements(),
  );

const host = '127.0.0.1';

const believed = (): Promise<boolean> => Promise.resolve(true);

const answers = (port: number, path: string): Observable<boolean> =>
  new Observable<number>((subscriber) => {
    const asking = request({ host, port, path, agent: false }, ({ statusCode = 0 }) => {
      subscriber.next(statusCode);
      subscriber.complete();
    });
    // Stays after the end: a request that is destroyed may still fail.
    asking.on('error', (error) => {
      subscriber.error(error);
    });
    asking.end();
    return () => {
      asking.destroy();
    };
  }).pipe(map((status) => status >= 200 && status < 400));
