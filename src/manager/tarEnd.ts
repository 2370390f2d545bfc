const blockBytes = 512;
const zeros = Buffer.alloc(blockBytes);

/** Sees an archive go by, and tells whether its end was among it, two blocks of zeros: tar-stream is content with one that was cut off between two entries. */
export class TarEnd {
  private seen = 0;
  /** Where the last entry ends, as far as is known. */
  private entriesEnd = 0;

  get hasCome(): boolean {
    return this.seen - this.entriesEnd >= 2 * blockBytes;
  }

  /** Sees what comes next. */
  see(data: Uint8Array): void {
    let last = data.length;
    while (last >= blockBytes && zeros.equals(data.subarray(last - blockBytes, last))) last -= blockBytes;
    while (last > 0 && data[last - 1] === 0) last -= 1;
    if (last > 0) this.pass(this.seen + last);
    this.seen += data.length;
  }

  /** Is told where a content ends, whose last bytes may be zeros too. */
  pass(end: number): void {
    this.entriesEnd = Math.max(this.entriesEnd, Math.ceil(end / blockBytes) * blockBytes);
  }
}
