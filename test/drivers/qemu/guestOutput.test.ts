import { createGuestOutput } from '../../../src/drivers/qemu/guestOutput.js';

const taken = (output: ReturnType<typeof createGuestOutput>) => {
  const pieces: { readonly stream: 0 | 1; readonly data: Buffer }[] = [];
  for (let piece = output.shift(); piece !== undefined; piece = output.shift()) pieces.push(piece);
  return pieces;
};

it('what is read in time comes in the order in which it was written, whichever stream it was', () => {
  const output = createGuestOutput();
  const words = Array.from({ length: 64 }, (_, index) => ({
    stream: (index % 2) as 0 | 1,
    data: Buffer.from(String(index)),
  }));
  for (const { stream, data } of words) output.push(stream, data);
  expect(taken(output).map(({ stream, data }) => ({ stream, data: Buffer.from(data) }))).toEqual(words);
  expect(output.isEmpty()).toBe(true);
});

it('of what comes byte by byte, and is not read, all is there, in the order of its stream, in few buffers', () => {
  const output = createGuestOutput();
  const bytesOf = (stream: number): Buffer =>
    Buffer.from(Array.from({ length: 128 * 1_024 }, (_, index) => (index * 7 + stream) % 251));
  const streams = [bytesOf(0), bytesOf(1)];
  for (let at = 0; at < 128 * 1_024; at += 1)
    for (const stream of [0, 1] as const) {
      // As it is cut out of what came by the socket.
      const frame = Buffer.allocUnsafeSlow(8 * 1_024);
      frame[9] = streams[stream]?.[at] ?? 0;
      output.push(stream, frame.subarray(9, 10));
    }
  const pieces = taken(output);
  expect(pieces.length).toBeLessThan(100);
  const memory = new Set(pieces.map(({ data }) => data.buffer));
  expect([...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(2 * 256 * 1_024);
  for (const stream of [0, 1])
    expect(
      Buffer.concat(pieces.flatMap((piece) => (piece.stream === stream ? [piece.data] : []))).equals(
        streams[stream] ?? Buffer.alloc(0),
      ),
    ).toBe(true);
});

it('what was taken out does not change by what comes later, and what was cleared is gone', () => {
  const output = createGuestOutput();
  for (let index = 0; index < 65; index += 1) output.push(0, Buffer.from('a'));
  const pieces = taken(output);
  for (let index = 0; index < 70; index += 1) output.push(0, Buffer.from('b'));
  expect(Buffer.concat(pieces.map(({ data }) => data)).toString()).toBe('a'.repeat(65));
  output.clear();
  expect(output.isEmpty()).toBe(true);
  expect(output.shift()).toBeUndefined();
});
