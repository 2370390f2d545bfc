import { freemem } from 'node:os';
import { NotRun } from './bench.js';
import { amount } from './written.js';

const mostBytes = freemem() / 2;
const mostMs = 40_000;
const first = 10_000;

/**
 * Begins so many of something; what the first ten thousand take tells whether there is room and time for all.
 *
 * @throws {@link NotRun} when there is not
 */
export function beginAll(count: number, begin: (index: number) => void): void {
  const bytesBefore = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    if (index === first) {
      const bytes = ((process.memoryUsage().heapUsed - bytesBefore) / first) * count;
      const ms = ((performance.now() - startedAt) / first) * count;
      if (bytes > mostBytes) throw new NotRun(`it would take ${amount(bytes, 'bytes')}`);
      if (ms > mostMs) throw new NotRun(`it would take ${amount(ms * 1e6, 'ns')} to begin them`);
    }
    begin(index);
  }
}
