import { setImmediate } from 'node:timers/promises';
import {
  concat,
  concatMap,
  defer,
  filter,
  from,
  Observable,
  type OperatorFunction,
  repeat,
  ReplaySubject,
  skipWhile,
  takeUntil,
  timer,
  using,
} from 'rxjs';
import { connect } from '../../streams/connect.js';
import type { LogLine, LogOptions } from '../driver.js';
import type { Chunk, LogFiles } from './logFiles.js';
import { createLogLines } from './logLines.js';

/** A line of more bytes is told in pieces. */
const longestLine = 64 * 1_024;

/** The last lines are looked for in as many bytes at the end of a log. */
const longestTail = 16 * 1_024 * 1_024;
const shortestTail = 64 * 1_024;

/** How far before a place a line may begin that ends after it. */
const lookBack = 2 * longestLine;

/** How a log is followed. */
export interface Following {
  readonly pollMs: number;
  /** Once it has emitted, what is there by then is told, and no more. */
  readonly end$: Observable<unknown>;
}

/** Which lines are read of a log. */
export type LogQuery = Required<Pick<LogOptions, 'tail'>> & Pick<LogOptions, 'stream' | 'since' | 'after'>;

/**
 * Emits lines of a log, and completes: at the end of what is there now, the last line finished or not; or, where it is
 * followed, when that is to end. A line that is not finished yet is not told before.
 */
export const readLog = (log: LogFiles, query: LogQuery, following?: Following): Observable<LogLine> =>
  following === undefined
    ? linesOf(log, query, (from, end) => chunksOf(log, from, end).pipe(splitLines(longestLine)))
    : heard(following, (heard) => linesOf(log, query, (from) => followFrom(log, from, heard)));

const linesOf = (
  log: LogFiles,
  query: LogQuery,
  read: (from: number, end: number) => Observable<LogLine>,
): Observable<LogLine> =>
  defer(() => spanOf(log, query)).pipe(
    concatMap(({ start, end }) =>
      read(Math.max(0, start - lookBack), end).pipe(
        // Where somebody else empties the log, places begin anew.
        skipWhile((line) => line.cursor <= start),
        filter((line) => isAsked(line, query)),
      ),
    ),
  );

/** Hears of the end from the beginning, also while nobody has come to ask for it yet. */
const heard = <T>(
  { pollMs, end$ }: Following,
  read: (following: Following) => Observable<T>,
): Observable<T> =>
  defer(() => {
    const ended$ = new ReplaySubject<unknown>(1);
    return using(
      () => end$.subscribe(ended$),
      () => read({ pollMs, end$: ended$ }),
    );
  });

const isAsked = ({ stream, time }: LogLine, query: LogQuery): boolean =>
  (query.stream === undefined || stream === query.stream) &&
  (query.since === undefined || (time !== undefined && time >= query.since));

/**
 * Emits every line from a place on, each when it is finished, until it is to end; one of more bytes than `longest` in pieces.
 * After as many bytes the event loop has its turn: what is done with a line may take its time.
 */
export const followFrom = (
  log: LogFiles,
  start: number,
  { pollMs, end$ }: Following,
  longest = longestLine,
): Observable<LogLine> =>
  defer(() => {
    let place = start;
    const onward = async function* (): AsyncGenerator<Chunk> {
      for (;;) {
        const { bytes, next, isRaw } = await log.read(place);
        place = next;
        if (bytes.length === 0) return;
        for (let to = longest; to < bytes.length + longest; to += longest) {
          if (to > longest) await setImmediate();
          const piece = bytes.subarray(to - longest, to);
          yield { bytes: piece, next: next - bytes.length + Math.min(to, bytes.length), isRaw };
        }
      }
    };
    const pass$ = defer(() => from(onward()));
    const passes$ = pass$.pipe(repeat({ delay: () => timer(pollMs).pipe(takeUntil(end$)) }));
    return concat(passes$, pass$).pipe(splitLines(longest));
  });

const chunksOf = (log: LogFiles, start: number, end: number): Observable<Chunk> =>
  defer(() => from(chunks(log, start, end)));

async function* chunks(log: LogFiles, start: number, end: number): AsyncGenerator<Chunk> {
  let place = start;
  while (place < end) {
    const { bytes, next, isRaw } = await log.read(place);
    if (bytes.length === 0) return;
    place = next;
    const surplus = Math.max(0, next - end);
    yield {
      bytes: surplus === 0 ? bytes : bytes.subarray(0, Math.max(0, bytes.length - surplus)),
      next: next - surplus,
      isRaw,
    };
  }
}

/** A part of a log, as places. */
interface Span {
  readonly start: number;
  readonly end: number;
}

async function spanOf(log: LogFiles, query: LogQuery): Promise<Span> {
  const [first, end] = await Promise.all([log.start(), log.end()]);
  const start = Math.min(end, Math.max(first, query.after ?? 0));
  if (query.tail === Infinity) return { start, end };
  if (query.tail === 0) return { start: end, end };
  for (let length = shortestTail; ; length *= 16) {
    const from = Math.max(start, end - Math.min(length, longestTail));
    const place = await startOfTail(log, { start: from, end }, query, from > start);
    if (place !== undefined) return { start: place, end };
    if (from === start || length >= longestTail) return { start: from, end };
  }
}

/** The place before the n-th line from the end, if there is one before it in the span, which may begin amid a line. */
async function startOfTail(
  log: LogFiles,
  { start, end }: Span,
  query: LogQuery,
  isCut: boolean,
): Promise<number | undefined> {
  const lines = createLogLines(longestLine);
  const ends: number[] = [];
  let isWhole = !isCut;
  const count = (told: ReturnType<typeof lines.flush>): void => {
    for (const { line, isLast } of told) {
      // Of what is cut nobody can tell of which line it is the end.
      if (isWhole && isLast && isAsked(line, query)) ends.push(line.cursor);
      isWhole = true;
    }
  };
  for await (const chunk of chunks(log, start, end)) count(lines.push(chunk));
  count(lines.flush());
  return ends.at(-query.tail - 1);
}

/** Turns what is read into lines. When that completes, what is left is a line too. */
const splitLines =
  (longest: number): OperatorFunction<Chunk, LogLine> =>
  (chunks$) =>
    new Observable((subscriber) => {
      const lines = createLogLines(longest);
      connect(chunks$, subscriber, {
        next: (chunk) => {
          for (const { line } of lines.push(chunk)) subscriber.next(line);
        },
        error: (error) => {
          subscriber.error(error);
        },
        complete: () => {
          for (const { line } of lines.flush()) subscriber.next(line);
          subscriber.complete();
        },
      });
    });
