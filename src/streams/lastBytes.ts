/** The last bytes of a stream, which may be without end. */
export interface LastBytes {
  add(bytes: Uint8Array): void;
  /** What is there as UTF-8, from the beginning of a character on. */
  text(): string;
  /** Whether something came before. */
  isCut(): boolean;
}

const blockBytes = 64 * 1_024;

/** Keeps the last `mostBytes` of what is added, however small its pieces are; hardly more than that is held. */
export function createLastBytes(mostBytes: number): LastBytes {
  const blocks: Uint8Array[] = [];
  let filled = blockBytes;
  let all = 0;

  const room = (): Uint8Array => {
    const last = blocks.at(-1);
    if (last !== undefined && filled < blockBytes) return last;
    if ((blocks.length - 1) * blockBytes >= mostBytes) blocks.shift();
    const block = new Uint8Array(blockBytes);
    blocks.push(block);
    filled = 0;
    return block;
  };

  const held = (): Uint8Array => {
    const bytes = new Uint8Array(Math.max(0, blocks.length - 1) * blockBytes + (blocks.length && filled));
    blocks.forEach((block, index) => {
      bytes.set(index === blocks.length - 1 ? block.subarray(0, filled) : block, index * blockBytes);
    });
    return bytes;
  };

  return {
    add: (bytes) => {
      all += bytes.length;
      for (let from = 0; from < bytes.length;) {
        const block = room();
        const part = bytes.subarray(from, from + blockBytes - filled);
        block.set(part, filled);
        filled += part.length;
        from += part.length;
      }
    },
    text: () => {
      const bytes = held();
      let from = Math.max(0, bytes.length - mostBytes);
      while (from > 0 && isInside(bytes[from])) from += 1;
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(from));
    },
    isCut: () => all > mostBytes,
  };
}

/** Whether a byte goes on with a character of UTF-8 that began before it. */
const isInside = (byte = 0): boolean => (byte & 0xc0) === 0x80;
