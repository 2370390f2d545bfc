import { join } from 'node:path';
import type { Instance } from 'rx-instances';
import { lastValueFrom } from 'rxjs';
import { openDatabase } from '../../src/store/database.js';
import { createEventLog } from '../../src/store/eventLog.js';
import { createGroupCommit } from '../../src/store/groupCommit.js';
import { emptySpan } from '../../src/store/logSpan.js';
import { openDataDir } from '../../src/store/openDataDir.js';
import { instances } from '../../src/store/tables.js';
import { instance } from '../events.js';
import { filledFolder } from './scratch.js';

/** The one whose events they are, and who has been told the first of them. */
export const owner = 'owner'.padEnd(24, '0');
export const reader = 'reader';

const retention = { maxEvents: 2 ** 24, maxAgeMs: 2 ** 40, maxBytes: 2 ** 40 };

/** For a manager that keeps such a log as it is. */
export const keepsAll = {
  instances: { lifecycleEventBufferSize: 256 },
  storage: {
    logMaxEvents: retention.maxEvents,
    logMaxAgeMs: retention.maxAgeMs,
    logMaxBytes: retention.maxBytes,
  },
};

/** How many events are written at a time. */
const together = 5_000;

const revision = (number: number): Instance => ({
  ...instance(owner, 'Running', number),
  spec: { driver: 'idle', image: 'any', env: {}, tags: {} },
  handle: {},
});

/**
 * A data directory with so many events, all of one instance of the driver `idle`, and a durable consumer who is done with
 * the first. The store's own code writes them, but some thousand in each transaction: as a manager's work, a million
 * would take minutes.
 */
export const longLog = (events: number): Promise<string> =>
  filledFolder(`log-${String(events)}`, async (dataDir) => {
    const options = { retention, now: Date.now, onDamaged: () => undefined };
    const store = await openDataDir(dataDir, options);
    await lastValueFrom(
      store.commit({ action: 'create', instanceId: owner, instance: revision(1), cause: { by: 'caller' } }),
    );
    await lastValueFrom(store.saveCursor(reader, 1), { defaultValue: undefined });
    await lastValueFrom(store.close(), { defaultValue: undefined });

    const database = await openDatabase(join(dataDir, 'store', 'data.mdb'));
    const group = createGroupCommit(database, { ...emptySpan, recordCounts: new Map(), sequence: 1 });
    const log = createEventLog(database, group, { epoch: store.epoch, origin: '' }, options);
    const update = {
      action: 'update',
      previousState: 'Running',
      instanceId: owner,
      cause: { by: 'caller' },
    } as const;
    for (let last = 1; last < events; last += together) {
      const end = Math.min(last + together, events);
      await lastValueFrom(
        group.run((transaction) => {
          for (let next = last + 1; next <= end; next += 1) {
            log.append(transaction, { ...update, instance: revision(next) });
          }
          transaction.put(instances.encode(owner, revision(end)));
        }),
      );
    }
    await database.close();
  });
