import fc from 'fast-check';
import { backoffMs, retryAfterMs } from '../../src/webhooks/retryDelay.js';

test('a back-off is twice as long each time, ten minutes at most, and a random half of it less', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (attempts) => {
      const longest = Math.min(600_000, 1_000 * 2 ** Math.min(attempts - 1, 20));
      const wait = backoffMs(attempts);
      expect(wait).toBeGreaterThanOrEqual(longest / 2);
      expect(wait).toBeLessThanOrEqual(longest);
    }),
  );
  expect(new Set(Array.from({ length: 20 }, () => backoffMs(5))).size).toBeGreaterThan(1);
});

test('a receiver asks for time in seconds, or until a date; what else it says is nothing', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(retryAfterMs('120', now)).toBe(120_000);
  expect(retryAfterMs('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
  expect(retryAfterMs('Thu, 01 Jan 2025 00:01:00 GMT', now)).toBe(0);
  for (const nothing of [undefined, '', 'soon', '-1', '1e9']) expect(retryAfterMs(nothing, now)).toBe(0);
});
