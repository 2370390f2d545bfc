import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogFiles, type LogFiles } from '../../../src/drivers/host/logFiles.js';

/** Makes logs in a folder of the test file, which goes with its last test: with this content, or not there yet. */
export function createLogBench(): (content?: string | Uint8Array) => LogFiles {
  const folder = mkdtempSync(join(tmpdir(), 'logs-'));
  let logs = 0;

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  return (content) => {
    const home = join(folder, String((logs += 1)));
    mkdirSync(join(home, 'logs'), { recursive: true });
    const log = createLogFiles(home);
    if (content !== undefined) writeFileSync(log.path, content);
    return log;
  };
}

/** Lays a log aside, however short it is. */
export const layAside = (log: LogFiles, keep = 3): Promise<void> => log.rotate({ maxBytes: 1, keep });
