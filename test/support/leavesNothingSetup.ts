import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Gives the run a temporary folder of its own. All that the tests make is told by it: files lie in it, and processes work
 * in it or have it in their environment. So runs side by side don't take each other's for their own.
 */
export default function setup(): void {
  const folder = mkdtempSync(join(tmpdir(), 'run-'));
  process.env['TMPDIR'] = folder;
  process.env['LEAVES_NOTHING_IN'] = folder;
}
