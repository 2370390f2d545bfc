/** Opens the store of a data directory, and kills itself before its so-manieth change of the disk. */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { lastValueFrom } from 'rxjs';

const [, , dataDir = '', limit = '0'] = process.argv;
let count = 0;

const step = (): void => {
  if ((count += 1) === Number(limit)) process.kill(process.pid, 'SIGKILL');
};

const steps = ['mkdir', 'chmod', 'link', 'rm', 'open'] as const;
for (const name of steps) {
  const work = promises[name] as (...args: readonly unknown[]) => Promise<unknown>;
  const counted = async (...args: readonly unknown[]): Promise<unknown> => {
    step();
    const result = await work(...args);
    if (name === 'open') countIn(result as promises.FileHandle);
    return result;
  };
  Object.assign(promises, { [name]: counted });
  Object.assign(fs.promises, { [name]: counted });
}

function countIn(file: promises.FileHandle): void {
  for (const name of ['writeFile', 'write', 'truncate', 'sync', 'chmod'] as const) {
    const work = file[name].bind(file) as (...args: readonly unknown[]) => Promise<unknown>;
    Object.assign(file, {
      [name]: (...args: readonly unknown[]) => {
        step();
        return work(...args);
      },
    });
  }
}

async function main(): Promise<void> {
  const { openDataDir } = await import('../../src/store/openDataDir.js');
  const { defaults } = await import('./changes.js');
  const store = await openDataDir(dataDir, { ...defaults, onDamaged: () => undefined });
  await lastValueFrom(store.close(), { defaultValue: undefined });
}

void main();
