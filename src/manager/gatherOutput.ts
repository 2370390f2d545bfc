import { defer, map, type Observable, reduce } from 'rxjs';
import type { LogLine } from '../lifecycle/logLine.js';

/** What was written; every line ends with `\n`. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  /** Whether something is missing: one of them was more than may be gathered, or the log had lost it. */
  readonly truncated: boolean;
}

/** Puts lines together once all are there: of each stream the last `mostBytes`. Hardly more than that is held meanwhile. */
export const gatherOutput = (lines$: Observable<LogLine>, mostBytes: number): Observable<Output> =>
  defer(() => {
    const [stdout, stderr] = [createText(mostBytes), createText(mostBytes)];
    let hasGap = false;
    const add = (texts: Texts, { stream, text, partial, gap }: LogLine): Texts => {
      hasGap ||= gap ?? false;
      texts[stream].add(partial ? text : `${text}\n`);
      return texts;
    };
    return lines$.pipe(
      reduce(add, { stdout, stderr }),
      map(() => ({
        stdout: stdout.end(),
        stderr: stderr.end(),
        truncated: hasGap || stdout.isCut() || stderr.isCut(),
      })),
    );
  });

interface Text {
  add(part: string): void;
  end(): string;
  isCut(): boolean;
}

type Texts = Readonly<Record<LogLine['stream'], Text>>;

const chunkBytes = 64 * 1_024;

function createText(mostBytes: number): Text {
  // A million short lines take little more room than their bytes.
  const chunks: Buffer[] = [];
  let chunked = 0;
  let open: string[] = [];
  let opened = 0;
  let isCut = false;

  const close = (): void => {
    chunks.push(Buffer.from(open.join('')));
    chunked += opened;
    open = [];
    opened = 0;
    for (let [first] = chunks; first && chunked - first.length >= mostBytes; [first] = chunks) {
      chunks.shift();
      chunked -= first.length;
      isCut = true;
    }
  };

  return {
    add: (part) => {
      open.push(part);
      opened += Buffer.byteLength(part);
      if (opened >= chunkBytes) close();
    },
    end: () => {
      close();
      isCut ||= chunked > mostBytes;
      return lastOf(Buffer.concat(chunks), mostBytes);
    },
    isCut: () => isCut,
  };
}

/** The last bytes, from the beginning of a character on. */
function lastOf(bytes: Buffer, most: number): string {
  let from = Math.max(0, bytes.length - most);
  while (isInside(bytes[from])) from += 1;
  return bytes.toString('utf8', from);
}

/** Whether a byte goes on with a character of UTF-8 that began before it. */
const isInside = (byte = 0): boolean => (byte & 0xc0) === 0x80;
