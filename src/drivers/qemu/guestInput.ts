import { agentFrames, pieceBytes, ringBytes } from './agentMessages.js';

/** What a program in a guest reads: sent as it is taken, and kept until then, so that it can be sent again. */
export interface GuestInput {
  /** Resolves once all of it is on its way, or nobody reads it any more. */
  write(data: Uint8Array): Promise<void>;
  end(): void;
  /** What the guest says of it; false where that cannot be. */
  take(here: number, taken: number): boolean;
  /** Nothing is sent until the guest has said what it has: what was on its way may be lost. */
  hold(): void;
  /** Nobody reads it any more. */
  close(): void;
}

interface Piece {
  readonly offset: number;
  readonly data: Buffer;
}

/** Creates a {@link GuestInput}; `send` is called only where there is a connection. */
export function createGuestInput(id: number, send: (frame: Buffer) => void): GuestInput {
  let kept: Piece[] = [];
  let [taken, end] = [0, 0];
  let writing: { readonly data: Uint8Array; at: number; readonly done: () => void } | undefined;
  let [isEnded, isClosed, isHeld] = [false, false, true];

  const pump = (): void => {
    while (writing !== undefined && !isHeld && end - taken < ringBytes) {
      const { data, at } = writing;
      const count = Math.min(data.length - at, pieceBytes, ringBytes - (end - taken));
      // Whoever wrote it may write others into it once it is on its way.
      const piece = { offset: end, data: Buffer.from(data.subarray(at, at + count)) };
      if (count > 0) {
        kept.push(piece);
        end += count;
        writing.at += count;
        send(agentFrames.input(id, piece.offset, piece.data));
      }
      if (writing.at === data.length) finish();
    }
    if (isEnded && writing === undefined && !isHeld) send(agentFrames.inputEnd(id, end));
  };

  const finish = (): void => {
    const done = writing?.done;
    writing = undefined;
    done?.();
  };

  const close = (): void => {
    isClosed = true;
    kept = [];
    finish();
  };

  return {
    write: (data) =>
      new Promise((resolve) => {
        if (isClosed || isEnded) {
          resolve();
          return;
        }
        writing = { data, at: 0, done: resolve };
        pump();
      }),
    end: () => {
      if (isEnded || isClosed) return;
      isEnded = true;
      pump();
    },
    take: (here, now) => {
      if (now === Infinity) {
        close();
        return true;
      }
      if (isClosed) return true;
      if (here > end || now > here || now < taken) return false;
      taken = now;
      kept = kept.filter(({ offset, data }) => offset + data.length > now);
      if (isHeld) {
        isHeld = false;
        for (const { offset, data } of kept)
          if (offset + data.length > here) send(agentFrames.input(id, offset, data));
        pump();
      } else if (writing !== undefined) pump();
      return true;
    },
    hold: () => {
      isHeld = true;
    },
    close,
  };
}
