import assert from 'node:assert/strict';
import { ballast } from './ballast.js';
import type { Row, Session } from './bench.js';
import type { Starter } from './starter.js';

/** A session in which processes are started, by a parent of the size that the row says; `take` samples some starts. */
export function starterSession(
  row: Row,
  { start, endAll, close }: Starter,
  take: (start: Starter['start']) => Promise<number>,
): Session {
  const held = ballast(row);
  return {
    check: async () => {
      const pid = await start();
      assert.ok(process.kill(pid, 0), 'the process runs');
      await endAll();
    },
    sample: async () => {
      const figure = await take(start);
      await endAll();
      return figure;
    },
    close: async () => {
      await close();
      assert.equal(held.length, ballast(row).length, 'the memory was held to the end');
    },
  };
}
