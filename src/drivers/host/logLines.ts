import type { LogLine } from '../driver.js';
import type { Chunk } from './logFiles.js';

/** Makes lines of what is read of a log, piece by piece. */
export interface LogLines {
  /** The lines that end in it, and pieces of one that is too long. */
  push(chunk: Chunk): readonly Told[];
  /** What is left without an end. */
  flush(): readonly Told[];
}

/** A line, or a piece of one. */
export interface Told {
  readonly line: LogLine;
  /** Whether nothing follows of it. */
  readonly isLast: boolean;
}

/** A line whose end has not come yet. */
interface Open {
  readonly time: number | undefined;
  readonly stream: LogLine['stream'];
  readonly run: string | undefined;
  bytes: Buffer;
}

const newline = 10;
const carriageReturn = 13;

/** What a reader of output writes before a text. */
const head = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (stdout|stderr) ([FP])(?::([a-z\d]+))?(:end)? /;
const longestHead = 64;
/** No reader of output writes a longer one: it was damaged. */
const longestRecord = 256 * 1_024;

/** Creates {@link LogLines}. A line of more bytes than `longest` is told in pieces, none of which cuts a character. */
export function createLogLines(longest: number): LogLines {
  let rest: Buffer = Buffer.alloc(0);
  let isRaw = true;
  /** The place after what was read. */
  let last = 0;
  let told: Told[] = [];
  const opened = new Map<string, Open>();
  let stamp = '';
  let stampedAt = 0;

  const timeOf = (text: string): number => {
    if (text !== stamp) stampedAt = Date.parse((stamp = text));
    return stampedAt;
  };

  const lineOf = ({ time, stream, run }: Open, bytes: Buffer, cursor: number, partial: boolean): LogLine => ({
    ...(time !== undefined && { time }),
    ...{ stream, text: bytes.toString('utf8'), partial, cursor },
    ...(run !== undefined && { run }),
  });

  /** Tells of a line that is too long what can be told now; `after` is the place after what is left of it. */
  const tellPieces = (open: Open, after: number): void => {
    while (open.bytes.length > longest) {
      const length = wholeCharacters(open.bytes, longest);
      const cursor = after - (open.bytes.length - length);
      told.push({ line: lineOf(open, open.bytes.subarray(0, length), cursor, true), isLast: false });
      open.bytes = open.bytes.subarray(length);
    }
  };

  const tellWhole = (open: Open, cursor: number): void => {
    tellPieces(open, cursor - 1);
    const { bytes } = open;
    const text = bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes;
    told.push({ line: lineOf(open, text, cursor, false), isLast: true });
  };

  const tellUnfinished = (open: Open, cursor: number): void => {
    tellPieces(open, cursor);
    if (open.bytes.length > 0) told.push({ line: lineOf(open, open.bytes, cursor, true), isLast: true });
  };

  /** Of another run no more is to be expected, where it was killed with whoever read it. */
  const endOthers = (stream: string, run: string, cursor: number): void => {
    for (const [key, open] of opened) {
      if (open.stream !== stream || open.run === run) continue;
      opened.delete(key);
      tellUnfinished(open, cursor);
    }
  };

  const takeRecord = (bytes: Buffer, cursor: number): void => {
    const [all = '', time = '', stream, kind, run = '', end] =
      head.exec(bytes.toString('latin1', 0, longestHead)) ?? [];
    if (stream !== 'stdout' && stream !== 'stderr') {
      tellWhole({ ...raw, bytes }, cursor);
      return;
    }
    endOthers(stream, run, cursor - bytes.length - 1);
    const key = `${stream} ${run}`;
    const text = bytes.subarray(all.length);
    const before = opened.get(key);
    const open = before ?? { time: timeOf(time), stream, run, bytes: text };
    if (before !== undefined) before.bytes = Buffer.concat([before.bytes, text]);
    opened.delete(key);
    if (kind === 'F') tellWhole(open, cursor);
    else if (end !== undefined) tellUnfinished(open, cursor);
    else {
      tellPieces(open, cursor - 1);
      opened.set(key, open);
    }
  };

  const flush = (cursor: number): void => {
    if (rest.length > 0) {
      if (isRaw) tellUnfinished({ ...raw, bytes: rest }, cursor);
      else takeRecord(rest, cursor);
    }
    rest = rest.subarray(0, 0);
    for (const open of opened.values()) tellUnfinished(open, cursor);
    opened.clear();
  };

  const taken = (): readonly Told[] => {
    const lines = told;
    told = [];
    return lines;
  };

  return {
    push: (chunk) => {
      if (chunk.isRaw !== isRaw && chunk.bytes.length > 0) {
        flush(last);
        ({ isRaw } = chunk);
      }
      last = chunk.next;
      rest = rest.length === 0 ? chunk.bytes : Buffer.concat([rest, chunk.bytes]);
      for (;;) {
        const end = rest.indexOf(newline);
        if (end === -1) break;
        const line = rest.subarray(0, end);
        rest = rest.subarray(end + 1);
        if (isRaw) tellWhole({ ...raw, bytes: line }, last - rest.length);
        else takeRecord(line, last - rest.length);
      }
      if (rest.length > (isRaw ? longest : longestRecord)) {
        const open = { ...raw, bytes: rest };
        tellPieces(open, last);
        rest = open.bytes;
      }
      return taken();
    },

    flush: () => {
      flush(last);
      return taken();
    },
  };
}

/** What processes have written by themselves tells neither. */
const raw = { time: undefined, stream: 'stdout', run: undefined } as const;

/** The length of the longest beginning that cuts no UTF-8 character. */
function wholeCharacters(bytes: Buffer, longest: number): number {
  let length = longest;
  while (length > longest - 4 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length -= 1;
  return length;
}
