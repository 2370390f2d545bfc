import { setImmediate } from 'node:timers/promises';
import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  from,
  map,
  Observable,
  type OperatorFunction,
  repeat,
  ReplaySubject,
  takeUntil,
  timer,
  using,
} from 'rxjs';
import { connect } from '../../streams/connect.js';
import type { LogLine, LogOptions } from '../../lifecycle/logLine.js';
import type { Chunk, LogFiles } from './logFiles.js';
import { createLogLines, type Reading, type LineRead } from './logLines.js';

const newline = 10;

/** A line of more bytes comes in pieces. */
const longestLine = 64 * 1_024;

/** The last lines are looked for in as many bytes at the end of a log. */
const longestTail = 16 * 1_024 * 1_024;
const shortestTail = 64 * 1_024;

/** Where a line begins that is open at a place is looked for in steps, and not far: of most logs one stream is silent. */
const stepBack = 256 * 1_024;
const farthestBack = 4 * 1_024 * 1_024;

/** How a log is followed. */
export interface Following {
  readonly pollMs: number;
  /** Once it has emitted, what is there by then is emitted, and no more. */
  readonly end$: Observable<unknown>;
}

/** Which lines are read of a log. */
export type LogQuery = Required<Pick<LogOptions, 'tail'>> & Pick<LogOptions, 'stream' | 'since' | 'after'>;

/**
 * Emits lines of a log, and completes: at the end of what is there now, the last line finished or not; or, where it is
 * followed, when that is to end. A line that is not finished yet is not emitted before.
 */
export const readLog = (log: LogFiles, query: LogQuery, following?: Following): Observable<LogLine> =>
  following === undefined
    ? linesOf(log, query, (reading, end) =>
        reading.after === end
          ? EMPTY
          : chunksOf(log, reading.from, end).pipe(splitLines(longestLine, reading)),
      )
    : awaitingEnd(following, (awaiting) =>
        linesOf(log, query, (reading) => follow(log, reading, awaiting, longestLine)),
      );

const linesOf = (
  log: LogFiles,
  query: LogQuery,
  read: (reading: Required<Reading>, end: number) => Observable<LogLine>,
): Observable<LogLine> =>
  defer(async () => {
    const { start, end } = await spanOf(log, query);
    return { reading: { from: await beginningAt(log, start, query), after: start }, end };
  }).pipe(concatMap(({ reading, end }) => read(reading, end).pipe(onlyAsked(query))));

/** Subscribes to the end at once, and not only when following begins. */
const awaitingEnd = <T>(
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

/** A gap before a line that is not asked for is one before the next that is. */
const onlyAsked =
  (query: LogQuery): OperatorFunction<LogLine, LogLine> =>
  (lines$) =>
    defer(() => {
      let isAfterGap = false;
      return lines$.pipe(
        filter((line) => {
          isAfterGap ||= line.gap ?? false;
          return isAsked(line, query);
        }),
        map((line) => {
          const marked = isAfterGap ? ({ ...line, gap: true } as const) : line;
          isAfterGap = false;
          return marked;
        }),
      );
    });

/**
 * Emits every line from a place on, each when it is finished, until it is to end; one of more bytes than `longest` in pieces.
 * After as many bytes the event loop has its turn: what is done with a line may take its time.
 */
export const followFrom = (
  log: LogFiles,
  start: number,
  following: Following,
  longest = longestLine,
): Observable<LogLine> => follow(log, { from: start, after: start }, following, longest);

const follow = (
  log: LogFiles,
  reading: Required<Reading>,
  { pollMs, end$ }: Following,
  longest: number,
): Observable<LogLine> =>
  defer(() => {
    let place = reading.from;
    let readTo: string | undefined;
    const onward = async function* (): AsyncGenerator<Chunk> {
      for (;;) {
        const mark = log.mark();
        const { bytes, next, isRaw } = await log.read(place);
        if (bytes.length === 0) readTo = next === place ? mark : undefined;
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
    // Most looks find nothing, and thousands may follow.
    const look$ = defer(() => (log.mark() === readTo ? EMPTY : pass$));
    const looks$ = look$.pipe(repeat({ delay: () => timer(pollMs).pipe(takeUntil(end$)) }));
    return concat(looks$, pass$).pipe(splitLines(longest, reading));
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
  const start = Math.min(end, query.after ?? first);
  if (query.tail === Infinity) return { start, end };
  if (query.tail === 0) return { start: end, end };
  for (let length = shortestTail; ; length *= 16) {
    const from = Math.max(start, end - Math.min(length, longestTail));
    const { ends, firstWhole } = await lineEnds(log, { start: from, end }, query, from > start);
    const place = ends.at(-query.tail - 1);
    if (place !== undefined) return { start: place, end };
    if (from === start || length >= longestTail) return { start: firstWhole, end };
  }
}

interface LineEnds {
  /** The places after lines that are asked for. */
  readonly ends: readonly number[];
  /** From which place on lines are whole. */
  readonly firstWhole: number;
}

/** Where lines end in a span, which may begin amid one. */
async function lineEnds(
  log: LogFiles,
  { start, end }: Span,
  query: LogQuery,
  isCut: boolean,
): Promise<LineEnds> {
  // Where a line ends right before it, nothing else is cut.
  const from = isCut ? start - 1 : start;
  const lines = createLogLines(longestLine, { from });
  const ends: number[] = [];
  let firstWhole = isCut ? undefined : start;
  const count = (read: readonly LineRead[]): void => {
    for (const { line, isLast } of read) {
      firstWhole ??= line.gap ? from : line.cursor;
      // It may be the end of any line.
      if (line.cursor > firstWhole && isLast && isAsked(line, query)) ends.push(line.cursor);
    }
  };
  for await (const chunk of chunks(log, from, end)) count(lines.push(chunk));
  count(lines.flush());
  return { ends, firstWhole: firstWhole ?? start };
}

/** A place from which to read, so that every line is whole that ends after another. */
async function beginningAt(log: LogFiles, place: number, query: LogQuery): Promise<number> {
  const unsettled = new Set(query.stream === undefined ? streams : [query.stream]);
  const first = Math.max(await log.start(), place - farthestBack);
  let beginning = place;
  for (let end = place; end > first && unsettled.size > 0;) {
    const start = Math.max(first, end - stepBack);
    const { bytes, isWhole } = await keptBefore(log, { start, end });
    for (const stream of unsettled) {
      const length = lastEnd(bytes, stream);
      if (length === undefined && isWhole) continue;
      beginning = Math.min(beginning, end - bytes.length + (length ?? 0));
      unsettled.delete(stream);
    }
    end = start;
  }
  return unsettled.size > 0 ? Math.min(beginning, first) : beginning;
}

/** What readers of output have written at the end of a span, and whether that is all of it: before it no line is open then. */
async function keptBefore(
  log: LogFiles,
  { start, end }: Span,
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  let kept: Buffer[] = [];
  let last = start;
  let isWhole = true;
  for await (const { bytes, next, isRaw } of chunks(log, start, end)) {
    if (isRaw || next - bytes.length !== last) {
      kept = [];
      isWhole = false;
    }
    if (!isRaw) kept.push(bytes);
    last = next;
  }
  return last === end ? { bytes: Buffer.concat(kept), isWhole } : { bytes: Buffer.alloc(0), isWhole: false };
}

const streams = ['stdout', 'stderr'] as const;

/** The length of a record's time, with what follows it. */
const timeLength = '2026-11-28T12:00:00.000Z '.length;

/** Where the last record ends in it that ends a line of a stream. */
function lastEnd(bytes: Buffer, stream: LogLine['stream']): number | undefined {
  const mark = `Z ${stream} F`;
  for (
    let at = bytes.lastIndexOf(mark, undefined, 'latin1');
    at > 0;
    at = bytes.lastIndexOf(mark, at - 1, 'latin1')
  ) {
    const begin = at + 2 - timeLength;
    const end = bytes.indexOf('\n', at);
    // Texts may hold the same words.
    if (begin > 0 && bytes[begin - 1] === newline && end !== -1) return end + 1;
  }
  return undefined;
}

/** Turns what is read into lines. When that completes, what is left is a line too. */
const splitLines =
  (longest: number, reading: Reading): OperatorFunction<Chunk, LogLine> =>
  (chunks$) =>
    new Observable((subscriber) => {
      const lines = createLogLines(longest, reading);
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
