import { collectGarbage } from '../../support/collectGarbage.js';
import { agentFrames, readMessage } from '../../../src/drivers/qemu/agentMessages.js';
import { createFrameCutter, stuff, unstuff } from '../../../src/drivers/qemu/agentStuffing.js';
import { until } from '../../support/until.js';

/** Bytes of which every so many is zero. */
const bytesOf = (length: number, every: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (index % every === every - 1 ? 0 : (index % 255) + 1)));

it.each([1, 2, 3, 31, 33, 100, 253, 254, 255, 256, 1_000])(
  'frames of any length with a zero in each %i bytes come out as they went in, and have none but at their end',
  (every) => {
    for (let length = 0; length < 1_100; length += length < 300 ? 1 : 7) {
      const stuffed = stuff(bytesOf(length, every));
      expect(stuffed.indexOf(0)).toBe(stuffed.length - 1);
      expect(unstuff(stuffed.subarray(0, -1))?.equals(bytesOf(length, every))).toBe(true);
    }
  },
);

it('a frame that was cut off anywhere is none, and the next one is', () => {
  const whole = stuff(
    Buffer.concat([Buffer.of(69, 7, 0, 0, 0, 14, 0, 0, 0, 0), Buffer.alloc(8), Buffer.from('a\0b\0c')]),
  );
  expect(readMessage(unstuff(whole.subarray(0, -1)) ?? Buffer.alloc(0))).toMatchObject({
    kind: 'output',
    id: 7,
  });
  for (let length = 1; length < whole.length - 1; length += 1) {
    const cutter = createFrameCutter();
    const frames = cutter.take(Buffer.concat([whole.subarray(0, length), Buffer.of(0), whole]));
    expect(frames.map((frame) => frame && readMessage(frame)?.kind)).toEqual([undefined, 'output']);
  }
});

it('frames come out however they come in pieces', () => {
  const frames = [1, 300, 60_000].map((length) => bytesOf(length, 40));
  const all = Buffer.concat(frames.map((frame) => stuff(frame)));
  for (const size of [1, 7, 4_096]) {
    const cutter = createFrameCutter();
    const out: (Buffer | undefined)[] = [];
    for (let at = 0; at < all.length; at += size) out.push(...cutter.take(all.subarray(at, at + size)));
    expect(out).toEqual(frames);
  }
});

it('one without an end is none, and harms none after it', () => {
  const cutter = createFrameCutter();
  const endless = Buffer.alloc(1_024 * 1_024, 1);
  for (let times = 0; times < 64; times += 1) cutter.take(endless);
  const next = stuff(agentFrames.leave());
  expect(cutter.take(Buffer.concat([Buffer.of(0), next]))).toEqual([undefined, agentFrames.leave()]);
});

it('one that comes byte by byte takes no more room than it has', async () => {
  const cutter = createFrameCutter();
  const before = collected();
  for (let times = 0; times < 20_000; times += 1) {
    // As a socket hands out what came: at the beginning of something larger.
    cutter.take(Buffer.allocUnsafeSlow(4_096).fill(1, 0, 1).subarray(0, 1));
  }
  // What is collected is given back a moment later.
  const grown = await until(
    () => collected() - before,
    (bytes) => bytes < 4_000_000,
  );
  expect(grown).toBeLessThan(4_000_000);
  expect(cutter.take(Buffer.of(0))).toHaveLength(1);
});

const collected = (): number => {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
};
