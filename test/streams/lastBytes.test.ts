import { createLastBytes } from '../../src/streams/lastBytes.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

it('keeps all up to its bound, whatever pieces it comes in', () => {
  const last = createLastBytes(200_000);
  const text = Array.from({ length: 20_000 }, (_, index) => String(index)).join(' ');
  const bytes = bytesOf(text);
  for (let from = 0; from < bytes.length; from += 777) last.add(bytes.subarray(from, from + 777));
  expect(last.text()).toBe(text);
  expect(last.isCut()).toBe(false);
});

it('keeps the last bytes of more than that, and says so', () => {
  const last = createLastBytes(100_000);
  for (let piece = 0; piece < 50; piece += 1) last.add(bytesOf(`${String(piece)}${'x'.repeat(9_999)}`));
  last.add(bytesOf('the end'));
  expect(last.text()).toHaveLength(100_000);
  expect(last.text().endsWith('xthe end')).toBe(true);
  expect(last.isCut()).toBe(true);
});

it('begins with the beginning of a character, and drops no mark at its beginning', () => {
  const cut = createLastBytes(4);
  cut.add(bytesOf('ä€'));
  expect([cut.text(), cut.isCut()]).toEqual(['€', true]);
  const whole = createLastBytes(100);
  whole.add(bytesOf('\uFEFFx'));
  expect(whole.text()).toBe('\uFEFFx');
});

it('keeps nothing where nothing is to be kept, and nothing of nothing', () => {
  const none = createLastBytes(0);
  none.add(bytesOf('x'));
  expect([none.text(), none.isCut()]).toEqual(['', true]);
  const empty = createLastBytes(0);
  expect([empty.text(), empty.isCut()]).toEqual(['', false]);
});
