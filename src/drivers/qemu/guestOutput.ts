import { pieceBytes } from './agentMessages.js';

/** What a program in a guest has written, and nobody has read. */
export interface GuestOutput {
  push(stream: 0 | 1, data: Buffer): void;
  /** Takes out what was written first. */
  shift(): { readonly stream: 0 | 1; readonly data: Buffer } | undefined;
  clear(): void;
  isEmpty(): boolean;
}

interface Piece {
  readonly stream: 0 | 1;
  bytes: Buffer;
  length: number;
}

/** So many wait as they came. What comes then is laid to the last of its stream: both streams are not in order among one another any more. */
const mostAsTheyCame = 64;
/** Smaller ones are views of what other frames lie in too. */
const ownBytes = 4 * 1_024;
const leastRoom = 256;

/**
 * Creates a {@link GuestOutput}. However small the frames are in which a guest sends its output, it takes little more room than that: less than 100
 * buffers of at most twice what they hold.
 */
export function createGuestOutput(): GuestOutput {
  const pieces: Piece[] = [];

  const lay = (piece: Piece, data: Buffer): void => {
    const length = piece.length + data.length;
    if (length > piece.bytes.length) {
      const wider = Buffer.allocUnsafeSlow(Math.min(Math.max(length * 2, leastRoom), pieceBytes));
      piece.bytes.copy(wider, 0, 0, piece.length);
      piece.bytes = wider;
    }
    data.copy(piece.bytes, piece.length);
    piece.length = length;
  };

  return {
    push: (stream, data) => {
      const last =
        pieces.length < mostAsTheyCame ? undefined : pieces.findLast((piece) => piece.stream === stream);
      if (last !== undefined && last.length + data.length <= pieceBytes) {
        lay(last, data);
        return;
      }
      const piece = { stream, bytes: data, length: data.length };
      if (data.length < ownBytes) {
        piece.bytes = Buffer.allocUnsafeSlow(data.length);
        data.copy(piece.bytes);
      }
      pieces.push(piece);
    },
    shift: () => {
      const piece = pieces.shift();
      return piece && { stream: piece.stream, data: piece.bytes.subarray(0, piece.length) };
    },
    clear: () => {
      pieces.length = 0;
    },
    isEmpty: () => pieces.length === 0,
  };
}
