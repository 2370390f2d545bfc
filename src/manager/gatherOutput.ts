import { defer, map, type Observable, reduce } from 'rxjs';
import type { LogLine } from '../lifecycle/logLine.js';
import { createLastBytes } from '../streams/lastBytes.js';

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
  const last = createLastBytes(mostBytes);
  let open: string[] = [];
  let opened = 0;

  const close = (): void => {
    last.add(Buffer.from(open.join('')));
    open = [];
    opened = 0;
  };

  return {
    add: (part) => {
      open.push(part);
      opened += Buffer.byteLength(part);
      if (opened >= chunkBytes) close();
    },
    end: () => {
      close();
      return last.text();
    },
    isCut: last.isCut,
  };
}
