import type { DoorTally } from './doorTally.js';

/** What a piece takes beside its bytes: a client that sends them one by one would else hold two hundred times as much. */
const pieceBytes = 256;

/**
 * Of memory, in bytes. No client is read on that has reached its own or the common limit; the last piece may go beyond by 64 KiB, and
 * Node reads one more of that size before it stops, which is not counted.
 */
export interface HeldLimits {
  readonly maxHeldBytes: number;
  readonly maxHeldBytesInAll: number;
}

/** The first bytes of a client, as long as they may have to be handed to a machine, or to another one. */
export class HeldBytes {
  readonly #limits: HeldLimits;
  readonly #tally: DoorTally;
  #pieces: Buffer[] = [];
  #size = 0;

  constructor(limits: HeldLimits, tally: DoorTally) {
    this.#limits = limits;
    this.#tally = tally;
  }

  get isFull(): boolean {
    return this.#size >= this.#limits.maxHeldBytes || this.#tally.heldBytes >= this.#limits.maxHeldBytesInAll;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#count(piece.length + pieceBytes);
  }

  clear(): void {
    this.#pieces = [];
    this.#count(-this.#size);
  }

  #count(bytes: number): void {
    this.#size += bytes;
    this.#tally.heldBytes += bytes;
  }
}
