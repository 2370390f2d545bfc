import { setImmediate } from 'node:timers/promises';
import { defer, from, Observable, type OperatorFunction, repeat, switchMap } from 'rxjs';
import { connect } from '../../streams/connect.js';
import type { LogFiles } from './logFiles.js';

const newline = 10;
const carriageReturn = 13;
const stepBytes = 64 * 1_024;

/** A line of more bytes is told in pieces. */
const longestLine = 64 * 1_024;

/** The last lines are looked for in as many bytes at the end of a log. */
const longestTail = 16 * 1_024 * 1_024;

/** Emits the last lines of a log as it is now, the last one finished or not, and completes. */
export const readTail = (log: LogFiles, lines: number): Observable<string> =>
  defer(() => tailOf(log, lines)).pipe(
    switchMap(({ start, end }) => from(chunks(log, start, end))),
    splitLines(),
  );

/** Emits the last lines of a log and those that come, each when it is finished, until unsubscribed. */
export const followTail = (log: LogFiles, lines: number, pollMs: number): Observable<string> =>
  defer(() => tailOf(log, lines)).pipe(switchMap(({ start }) => followFrom(log, start, pollMs)));

/**
 * Emits every line from a place on, each when it is finished, until unsubscribed; one of more bytes than `longest` in pieces.
 * After as many bytes the event loop has its turn: what is done with a line may take its time.
 */
export const followFrom = (
  log: LogFiles,
  start: number,
  pollMs: number,
  longest = longestLine,
): Observable<string> =>
  defer(() => {
    let place = start;
    const onward = async function* (): AsyncGenerator<Buffer> {
      for (;;) {
        const { bytes, next } = await log.read(place);
        place = next;
        if (bytes.length === 0) return;
        for (let from = 0; from < bytes.length; from += longest) {
          if (from > 0) await setImmediate();
          yield bytes.subarray(from, from + longest);
        }
      }
    };
    return defer(() => from(onward())).pipe(repeat({ delay: pollMs }), splitLines(longest));
  });

async function* chunks(log: LogFiles, start: number, end: number): AsyncGenerator<Buffer> {
  let place = start;
  while (place < end) {
    const { bytes, next } = await log.read(place);
    if (bytes.length === 0) return;
    place = next;
    yield next > end ? bytes.subarray(0, Math.max(0, bytes.length - (next - end))) : bytes;
  }
}

async function together(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

/** A part of a log, as places. */
interface Span {
  readonly start: number;
  readonly end: number;
}

async function tailOf(log: LogFiles, lines: number): Promise<Span> {
  const [start, end] = await Promise.all([log.start(), log.end()]);
  const span = { start: Math.max(start, end - longestTail), end };
  return { start: await startOfTail(log, span, lines), end };
}

/** The place of the n-th line from the end, or of the first in the span; the end of the log does not begin a line. */
async function startOfTail(log: LogFiles, { start, end }: Span, lines: number): Promise<number> {
  if (lines === 0) return end;
  let found = 0;
  for (let to = end; to > start;) {
    const from = Math.max(start, to - stepBytes);
    const bytes = await together(chunks(log, from, to));
    const first = to - bytes.length;
    let index = bytes.lastIndexOf(newline, to === end ? -2 : -1);
    while (index !== -1) {
      found += 1;
      if (found === lines) return first + index + 1;
      index = index === 0 ? -1 : bytes.lastIndexOf(newline, index - 1);
    }
    // What came before was removed meanwhile, or is a hole.
    if (first > from) return first;
    to = from;
  }
  return start;
}

/** Turns bytes into lines without their ends. When the bytes complete, what is left is a line too. */
const splitLines =
  (longest = longestLine): OperatorFunction<Buffer, string> =>
  (bytes$) =>
    new Observable((subscriber) => {
      let rest = Buffer.alloc(0);

      const tell = (line: Buffer): void => {
        subscriber.next(line.toString('utf8'));
      };

      const tellWhole = (line: Buffer): void => {
        tell(line.at(-1) === carriageReturn ? line.subarray(0, -1) : line);
      };

      connect(bytes$, subscriber, {
        next: (bytes) => {
          rest = Buffer.concat([rest, bytes]);
          for (;;) {
            const end = rest.indexOf(newline);
            if (end !== -1 && end <= longest) {
              tellWhole(rest.subarray(0, end));
              rest = rest.subarray(end + 1);
            } else if (rest.length > longest) {
              const length = wholeCharacters(rest, longest);
              tell(rest.subarray(0, length));
              rest = rest.subarray(length);
            } else return;
          }
        },
        error: (error) => {
          subscriber.error(error);
        },
        complete: () => {
          if (rest.length > 0) tellWhole(rest);
          subscriber.complete();
        },
      });
    });

/** The length of the longest beginning that cuts no UTF-8 character. */
function wholeCharacters(bytes: Buffer, longest: number): number {
  let length = longest;
  while (length > longest - 4 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length -= 1;
  return length;
}
