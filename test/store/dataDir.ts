import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DamagedRecord, Store } from '../../src/store/store.js';
import { openDataDir } from '../../src/store/openDataDir.js';
import { defaults, done, type StoreOptions } from './changes.js';

/** Data directories of one test, and the stores that it opened in them. */
export interface DataDirs {
  /** A new directory. */
  make(): string;
  open(dataDir: string, options?: Partial<StoreOptions>): Promise<Store>;
  /** Closes all that is open. */
  closeAll(): Promise<unknown>;
  /** What was reported since the last look. */
  damaged(): readonly DamagedRecord[];
}

/** Directories that are removed after each test, their stores closed. */
export function createDataDirs(): DataDirs {
  const stores: Store[] = [];
  const made: string[] = [];
  const damaged: DamagedRecord[] = [];

  const closeAll = (): Promise<unknown> => Promise.all(stores.splice(0).map((store) => done(store.close())));

  afterEach(async () => {
    await closeAll();
    for (const dataDir of made.splice(0)) rmSync(dataDir, { recursive: true });
    damaged.length = 0;
  });

  return {
    make: () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'data-'));
      made.push(dataDir);
      return dataDir;
    },
    open: async (dataDir, options = {}) => {
      const onDamaged = (record: DamagedRecord): unknown => damaged.push(record);
      const store = await openDataDir(dataDir, { ...defaults, ...options, onDamaged });
      stores.push(store);
      return store;
    },
    closeAll,
    damaged: () => damaged.splice(0),
  };
}
