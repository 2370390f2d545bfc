import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { Observable, type Subscriber } from 'rxjs';
import { ConntrackFailed } from './conntrackFailed.js';

/** A line that a program has written, without its end. */
export interface ProgramLine {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** What is longer is no line that anybody needs. */
const longestLine = 4_096;
/** Of what a program complained. */
const mostWords = 3;

/**
 * Runs a program and emits its lines; one that is too long is left out. Completes when the program ends with success, and errors with
 * {@link ConntrackFailed} when it ends otherwise or can't be started. Unsubscribing kills it.
 */
export const programLines = (program: string, args: readonly string[]): Observable<ProgramLine> =>
  new Observable((subscriber) => {
    const words: string[] = [];
    const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' };
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const fail = (reason: string, cause?: unknown): void => {
      subscriber.error(new ConntrackFailed({ kind: 'observer_error', reason }, { cause }));
    };

    emitLines(child.stdout, 'stdout', subscriber);
    emitLines(child.stderr, 'stderr', subscriber, (text) => {
      words.push(text);
      if (words.length > mostWords) words.shift();
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT';
      fail(isMissing ? `there is no program "${program}": install conntrack` : error.message, error);
    });
    child.once('close', (code, signal) => {
      if (code === 0) subscriber.complete();
      else fail(words.join('; ') || `${program} ended with ${String(code ?? signal)}`);
    });
    return () => {
      // Of a program that could not be started Node has no pid, and the signal would go to the group of this process.
      if (child.pid !== undefined) child.kill('SIGKILL');
    };
  });

/** Holds no more than one line at a time, however much comes without an end. */
function emitLines(
  source: Readable,
  stream: ProgramLine['stream'],
  subscriber: Subscriber<ProgramLine>,
  note: (text: string) => void = () => undefined,
): void {
  let begun = '';
  let isTooLong = false;
  source.setEncoding('utf8').on('data', (chunk: string) => {
    const [first = '', ...rest] = chunk.split('\n');
    for (const [index, part] of [first, ...rest].entries()) {
      if (index > 0) {
        if (!isTooLong) {
          note(begun);
          subscriber.next({ stream, text: begun });
        }
        [begun, isTooLong] = ['', false];
      }
      if (begun.length + part.length > longestLine) isTooLong = true;
      else begun += part;
    }
  });
}
