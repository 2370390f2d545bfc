import type { Socket } from 'node:net';
import { firstValueFrom, interval, takeUntil, timer } from 'rxjs';
import type { ExecExit, Execution } from '../../lifecycle/execution.js';
import type { OpenedStreams } from './openStreams.js';
import { createEitherReader } from './readEither.js';

/** What an {@link Execution} is made of. */
export interface StreamedProgram {
  readonly streams: OpenedStreams;
  /** Resolves with how it ended, once nothing of it is left; never rejects. */
  readonly ended: Promise<ExecExit>;
  kill(): void;
}

/** An {@link Execution} that can be given up. */
export interface StreamedExecution extends Execution {
  /** Resolves once all that it wrote was read, or is given up. */
  readonly over: Promise<void>;
  /** Closes its streams: what was not read is given up. */
  close(): void;
}

/**
 * How long somebody whom nobody could kill may have its streams open after its end, and say nothing, before nobody waits for that any more, in
 * milliseconds.
 */
const lastWordsMs = 1_000;

/** Makes an {@link Execution} of a process and the other ends of its streams. */
export function createStreamedExecution({ streams, ended, kill }: StreamedProgram): StreamedExecution {
  const { stdin, stdout, stderr } = streams;
  const reader = createEitherReader({
    ...(stdout !== undefined && { stdout }),
    ...(stderr !== undefined && { stderr }),
  });
  let isTold = false;
  // Each write hears of it.
  stdin?.on('error', () => undefined);

  void ended.then(() => {
    stdin?.destroy();
    let waited: number | undefined;
    const looks$ = interval(lastWordsMs).pipe(takeUntil(reader.over));
    looks$.subscribe(() => {
      const waiting = reader.waitingFor();
      if (waiting !== undefined && waiting === waited) reader.end();
      waited = waiting;
    });
  });

  return {
    read: async () => {
      const piece = await reader.read();
      if (piece !== undefined || isTold) return piece;
      isTold = true;
      return { kind: 'exit', ...(await ended) };
    },
    write: async (data) => {
      if (stdin !== undefined && !(await written(stdin, data))) await over(ended);
    },
    endInput: () => {
      stdin?.end();
    },
    kill,
    over: reader.over,
    close: () => {
      stdin?.destroy();
      reader.end();
    },
  };
}

/** Resolves once bytes were handed to whoever reads them, or nobody does any more, which it tells. */
const written = (stdin: Socket, data: Uint8Array): Promise<boolean> =>
  new Promise((resolve) => {
    stdin.write(data, (error) => {
      resolve(error === undefined || error === null);
    });
  });

/** Who has more for one who reads nothing waits for its end, and lets others have their turn: an input may be without end. */
const over = async (ended: Promise<unknown>): Promise<void> => {
  await ended;
  await firstValueFrom(timer(0));
};
