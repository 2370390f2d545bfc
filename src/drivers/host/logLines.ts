import type { LogLine } from '../../lifecycle/logLine.js';
import type { Chunk } from './logFiles.js';

/** Makes lines of what is read of a log, piece by piece. */
export interface LogLines {
  /** The lines that end in it, and pieces of one that is too long. */
  push(chunk: Chunk): readonly LineRead[];
  /** What is left without an end. */
  flush(): readonly LineRead[];
}

/** A line, or a piece of one. */
export interface LineRead {
  readonly line: LogLine;
  /** Whether nothing follows of it. */
  readonly isLast: boolean;
}

/** Where reading begins. */
export interface Reading {
  /** The first place that is asked for: where what is read begins later, something is gone. @defaultValue 0 */
  readonly from?: number;
  /** The `cursor` of a line: that line and those before it do not come again. @defaultValue `from` */
  readonly after?: number;
}

/** A line whose end has not come yet. */
interface Open {
  readonly time: number | undefined;
  readonly stream: LogLine['stream'];
  readonly run: string | undefined;
  bytes: Buffer;
}

const nothing = Buffer.alloc(0);
const newline = 10;
const carriageReturn = 13;

/** What a reader of output writes before a text. */
const head = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (stdout|stderr) ([FP])(?::([a-z\d]+))?(:end)? /;
const longestHead = 64;
/** No reader of output writes a longer one: it was damaged. */
const longestRecord = 256 * 1_024;

/**
 * Creates {@link LogLines}. A line of more bytes than `longest` comes in pieces, none of which cuts a character. What does not
 * follow on what was read before is never joined to it: the first line after such a place has a `gap`.
 * Long, since it is one state machine over what is open.
 *
 * From every cursor the rest can be read, and nothing twice, if reading begins before the lines that were open there.
 */
export function createLogLines(longest: number, { from = 0, after: asked = from }: Reading = {}): LogLines {
  let rest: Buffer = nothing;
  let isRaw = true;
  /** The place after what was read. */
  let last = from;
  let after = asked;
  let isAfterGap = false;
  let lines: LineRead[] = [];
  const opened = new Map<string, Open>();
  let stamp = '';
  let stampedAt = 0;

  const timeOf = (text: string): number => {
    if (text !== stamp) stampedAt = Date.parse((stamp = text));
    return stampedAt;
  };

  const add = (open: Open, bytes: Buffer, cursor: number, isPartial: boolean, isLast: boolean): void => {
    if (cursor <= after) return;
    const { time, stream, run } = open;
    const line: LogLine = {
      ...(time !== undefined && { time }),
      ...{ stream, text: bytes.toString('utf8'), partial: isPartial, cursor },
      ...(run !== undefined && { run }),
      ...(isAfterGap && { gap: true }),
    };
    isAfterGap = false;
    lines.push({ line, isLast });
  };

  /** Adds the pieces of a line that is too long; `end` is the place after what is left of it. */
  const addPieces = (open: Open, end: number): void => {
    while (open.bytes.length > longest) {
      const length = wholeCharacters(open.bytes, longest);
      add(open, open.bytes.subarray(0, length), end - (open.bytes.length - length), true, false);
      open.bytes = open.bytes.subarray(length);
    }
  };

  const addWhole = (open: Open, cursor: number): void => {
    addPieces(open, cursor - 1);
    const { bytes } = open;
    const text = bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes;
    add(open, text, cursor, false, true);
  };

  const addUnfinished = (open: Open, cursor: number): void => {
    addPieces(open, cursor);
    if (open.bytes.length > 0) add(open, open.bytes, cursor, true, true);
  };

  /** The part of a line that lies after the cursor, where the cursor lies amid it. */
  const afterCursor = (bytes: Buffer, begin: number, end: number): Buffer =>
    begin < after && after <= end ? bytes.subarray(Math.max(0, bytes.length - (end - after))) : bytes;

  /** Of another run no more is to be expected, where it was killed with whoever read it. */
  const endOthers = (stream: string, run: string, cursor: number): void => {
    for (const [key, open] of opened) {
      if (open.stream !== stream || open.run === run) continue;
      opened.delete(key);
      addUnfinished(open, cursor);
    }
  };

  /** Takes what lies between two places; of one without an end that is all that there is of it. */
  const takeRecord = (bytes: Buffer, begin: number, cursor: number, isTorn = false): void => {
    const [all = '', time = '', stream, kind, run = '', end] =
      head.exec(bytes.toString('latin1', 0, longestHead)) ?? [];
    if (stream !== 'stdout' && stream !== 'stderr') {
      takeRaw(bytes, begin, cursor);
      return;
    }
    // No other line has its cursor amid a head.
    endOthers(stream, run, begin + 1);
    const key = `${stream} ${run}`;
    const text = bytes.subarray(all.length);
    const open = opened.get(key) ?? { time: timeOf(time), stream, run, bytes: nothing };
    const joined = open.bytes.length === 0 ? text : Buffer.concat([open.bytes, text]);
    open.bytes = afterCursor(joined, begin, begin + bytes.length);
    opened.delete(key);
    if (kind === 'F' && !isTorn) addWhole(open, cursor);
    else if (end !== undefined) addUnfinished(open, cursor);
    else {
      addPieces(open, begin + bytes.length);
      // To the end of the map: at the end of all that is there, the line that was added to last comes first.
      opened.set(key, open);
      if (cursor === after) forgetOpen();
    }
  };

  /** A cursor after a part of a line was given at the end of what was there then, with that part. */
  const forgetOpen = (): void => {
    for (const open of opened.values()) open.bytes = nothing;
  };

  const takeRaw = (bytes: Buffer, begin: number, cursor: number): void => {
    addWhole({ ...raw, bytes: afterCursor(bytes, begin, begin + bytes.length) }, cursor);
  };

  const flush = (): void => {
    const begin = last - rest.length;
    // A part of a head is no text.
    const end = isRaw || isLong(rest) || head.test(rest.toString('latin1')) ? last : begin;
    if (isRaw) addUnfinished({ ...raw, bytes: afterCursor(rest, begin, last) }, last);
    else if (end > begin) takeRecord(rest, begin, end, true);
    rest = nothing;
    const left = [...opened.values()].filter(({ bytes }) => bytes.length > 0).reverse();
    for (const [index, open] of left.entries()) addUnfinished(open, end - (left.length - 1 - index));
    opened.clear();
  };

  /** Continues at a place that is not the next: what lay between is gone, or all, where somebody else has emptied the log. */
  const continueAt = (place: number): void => {
    const hadOpen = opened.size > 0 || rest.length > 0;
    flush();
    if (place < last) after = 0;
    isAfterGap ||= place < last || place > after || hadOpen;
    last = place;
  };

  const taken = (): readonly LineRead[] => {
    const all = lines;
    lines = [];
    return all;
  };

  return {
    push: (chunk) => {
      const begin = chunk.next - chunk.bytes.length;
      if (begin !== last) continueAt(begin);
      if (chunk.isRaw !== isRaw && chunk.bytes.length > 0) {
        flush();
        ({ isRaw } = chunk);
      }
      last = chunk.next;
      rest = rest.length === 0 ? chunk.bytes : Buffer.concat([rest, chunk.bytes]);
      for (;;) {
        const end = rest.indexOf(newline);
        if (end === -1) break;
        const line = rest.subarray(0, end);
        const place = last - rest.length;
        rest = rest.subarray(end + 1);
        (isRaw ? takeRaw : takeRecord)(line, place, last - rest.length);
      }
      if (rest.length > (isRaw ? longest : longestRecord)) {
        const open = { ...raw, bytes: afterCursor(rest, last - rest.length, last) };
        addPieces(open, last);
        rest = open.bytes;
      }
      return taken();
    },

    flush: () => {
      flush();
      return taken();
    },
  };
}

const isLong = ({ length }: Buffer): boolean => length >= longestHead;

/** What processes have written by themselves has neither time nor run. */
const raw = { time: undefined, stream: 'stdout', run: undefined } as const;

/** The length of the longest beginning that cuts no UTF-8 character. */
function wholeCharacters(bytes: Buffer, longest: number): number {
  let length = longest;
  while (length > longest - 4 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length -= 1;
  return length;
}
