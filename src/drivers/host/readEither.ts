import type { Socket } from 'node:net';
import { noop } from 'rxjs';

/** What was read from one of several streams. */
export interface Piece<Name extends string> {
  readonly kind: Name;
  readonly data: Uint8Array;
}

/** Reads several streams, each in its order. */
export interface EitherReader<Name extends string> {
  /** Resolves with a piece as soon as there is one, or with `undefined` once all have ended; one at a time. */
  read(): Promise<Piece<Name> | undefined>;
  /** Which read waits for a piece, counted from the first; `undefined` where none does. */
  waitingFor(): number | undefined;
  /** Resolves once all have ended. */
  readonly over: Promise<void>;
  /** Gives up what was not read: all have ended. */
  end(): void;
}

/** Creates an {@link EitherReader}. What is not read yet waits in the streams. */
export function createEitherReader<Name extends string>(
  streams: Readonly<Partial<Record<Name, Socket>>>,
): EitherReader<Name> {
  const open = new Map(Object.entries(streams) as [Name, Socket][]);
  let reads = 0;
  let wake: (() => void) | undefined;
  const closings: Promise<void>[] = [];
  const stir = (): void => {
    wake?.();
    wake = undefined;
  };

  for (const [name, socket] of open) {
    socket.on('readable', stir);
    // One that fails is told as one that ends.
    socket.on('error', stir);
    closings.push(
      new Promise((resolve) => {
        socket.on('close', () => {
          open.delete(name);
          stir();
          resolve();
        });
      }),
    );
  }

  const take = (): Piece<Name> | undefined => {
    for (const [kind, socket] of open) {
      const data = socket.read() as Buffer | null;
      if (data === null) continue;
      // The others are asked before it the next time.
      open.delete(kind);
      open.set(kind, socket);
      return { kind, data };
    }
    return undefined;
  };

  return {
    read: async () => {
      reads += 1;
      for (;;) {
        const piece = take();
        if (piece !== undefined || open.size === 0) return piece;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    waitingFor: () => (wake === undefined ? undefined : reads),
    over: Promise.all(closings).then(noop),
    end: () => {
      for (const socket of open.values()) socket.destroy();
    },
  };
}
