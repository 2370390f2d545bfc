/** What a client sends for a program to read: waits until it is read. */
export class ClientInput implements AsyncIterable<Uint8Array> {
  private readonly pieces: Uint8Array[] = [];
  private wake: () => void = () => undefined;
  private isOver = false;
  private bytes = 0;

  /** @param onTaken - hears of so many bytes that the program has taken */
  constructor(private readonly onTaken: (bytes: number) => void) {}

  /** How many bytes wait. */
  get waiting(): number {
    return this.bytes;
  }

  push(piece: Uint8Array): void {
    // One without bytes would cost nobody anything but this process.
    if (piece.length === 0) return;
    this.pieces.push(piece);
    this.bytes += piece.length;
    this.wake();
  }

  end(): void {
    this.isOver = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    for (;;) {
      const piece = this.pieces.shift();
      if (piece !== undefined) {
        yield piece;
        this.bytes -= piece.length;
        this.onTaken(piece.length);
      } else if (this.isOver) return undefined;
      else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}
