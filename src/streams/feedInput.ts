import { from, isObservable, noop, Observable, type ObservableInput } from 'rxjs';
import type { Execution } from '../lifecycle/execution.js';
import { boundedIterable } from './boundedIterable.js';

/** How many values of an Observable wait. */
const mostWaiting = 1_024;

/** What a program is to read. */
export type ExecInput = string | Uint8Array | ObservableInput<string | Uint8Array>;

type Pieces = AsyncIterator<unknown, unknown> | Iterator<unknown, unknown>;

const isOne = (input: ExecInput): input is string | Uint8Array =>
  typeof input === 'string' || ArrayBuffer.isView(input);

/**
 * Sees to it that a stream of Node which fails before anybody reads it fails whoever reads it then, and not the whole program, as an `error` that
 * nobody listens to does.
 */
export function deferErrors(input: ExecInput | undefined): void {
  const { on } = Object(input) as { readonly on?: unknown };
  if (typeof on === 'function') on.call(input, 'error', noop);
}

/** What can be held up is read as it is asked for; an Observable can't be, nor what RxJS makes one of. */
function piecesOf(input: ExecInput): Pieces {
  if (isOne(input)) return [input].values();
  if (!isObservable(input)) {
    if (Symbol.asyncIterator in input) return input[Symbol.asyncIterator]();
    if (Symbol.iterator in input) return input[Symbol.iterator]();
  }
  const waiting = boundedIterable(from(input), { capacity: mostWaiting, overflow: 'fail' });
  return waiting[Symbol.asyncIterator]();
}

/**
 * Hands a program what it is to read, as it takes it, and then ends its input. It emits nothing, and completes once that is done; it fails where
 * the source does. An unsubscribe ends the reading of the source.
 */
export const feedInput = (
  execution: Pick<Execution, 'write' | 'endInput'>,
  input: ExecInput,
): Observable<never> =>
  new Observable((subscriber) => {
    const pieces = piecesOf(input);
    const feed = async (): Promise<void> => {
      for (;;) {
        const piece = await pieces.next();
        if (subscriber.closed) return;
        if (piece.done === true) break;
        await execution.write(bytesOf(piece.value));
      }
      execution.endInput();
    };
    feed().then(
      () => {
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
    return () => {
      // One that is asked for a value at this moment may answer when it has it. That it can't end is nobody's concern any more.
      (async () => pieces.return?.())().catch(noop);
    };
  });

function bytesOf(piece: unknown): Uint8Array {
  if (typeof piece === 'string') return new TextEncoder().encode(piece);
  if (ArrayBuffer.isView(piece)) return piece as Uint8Array;
  throw new TypeError('what a program is to read has to be texts or bytes (Uint8Array)');
}
