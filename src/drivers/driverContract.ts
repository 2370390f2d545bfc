import { createContractBench } from './contract/contractBench.js';
import { endingContract } from './contract/endingContract.js';
import { fieldContract } from './contract/fieldContract.js';
import { freezingContract } from './contract/freezingContract.js';
import { handleContract } from './contract/handleContract.js';
import { homeContract } from './contract/homeContract.js';
import { launchContract } from './contract/launchContract.js';
import type { Lawbook } from './contract/lawbook.js';
import { logContract } from './contract/logContract.js';
import { memoryContract } from './contract/memoryContract.js';
import { memorySnapshotContract } from './contract/memorySnapshotContract.js';
import { reclaimContract } from './contract/reclaimContract.js';
import { sendContract } from './contract/sendContract.js';
import { signalContract } from './contract/signalContract.js';
import { snapshotContract } from './contract/snapshotContract.js';
import type { Driver } from './driver.js';
import type { DriverSubject } from './driverSubject.js';

/** The two words that every test framework has. */
export interface ContractFramework {
  /** Groups what the body declares. */
  describe(name: string, body: () => void): void;
  /** Declares one test. */
  it(name: string, body: () => Promise<void>): void;
}

/**
 * Declares one test for each sentence of the law that every driver obeys, in any framework with `describe` and `it`. What
 * a driver does not have (logs, freezing, snapshots) is left out; the {@link DriverSubject} tells what there is to try.
 *
 * @example
 * ```ts
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { driverContract } from 'rx-instances/testing';
 *
 * const spec = { driver: 'memory', image: 'any', env: {}, tags: {} };
 * const waiting = { ...spec, readiness: { kind: 'tcp', port: 80 } } as const;
 * let sentences = 0;
 *
 * driverContract(
 *   { describe: (_, body) => body(), it: () => (sentences += 1) },
 *   {
 *     createDriver: () => createMemoryDriver({ fail: (operation, { spec }) =>
 *       operation === 'launch' && spec.image === 'broken' ? new Error('no such image') : undefined,
 *     }),
 *     homesDir: '/nowhere',
 *     isRunning: (driver, id) => driver.running().includes(id),
 *     crash: (driver, id) => driver.machine(id).exit({ code: null, signal: 'SIGKILL' }),
 *     fields: { stopGraceMs: 100 },
 *     lasting: { spec },
 *     ending: { spec, play: (driver, id) => driver.machine(id).exit({ code: 3, signal: null }) },
 *     slow: { spec: waiting, play: (driver, id) => driver.machine(id).ready() },
 *     neverReady: { spec: waiting },
 *     broken: { spec: { ...spec, image: 'broken' } },
 *   },
 * );
 * sentences > 40; // => true
 * ```
 */
export function driverContract<D extends Driver>(
  { describe, it }: ContractFramework,
  subject: DriverSubject<D>,
): void {
  const { kind, capabilities, reclaim, snapshots } = subject.createDriver();

  const law: Lawbook<D>['law'] = (sentence, body) => {
    it(sentence, async () => {
      const bench = createContractBench(subject);
      try {
        await body(bench);
      } finally {
        await bench.clear();
      }
    });
  };
  const book = { describe, law };

  describe(`a driver of kind "${kind}"`, () => {
    launchContract(book, subject);
    handleContract(book, subject);
    signalContract(book, subject);
    endingContract(book, subject);
    freezingContract(book, subject, capabilities);
    memoryContract(book, subject, capabilities);
    sendContract(book, subject, capabilities);
    homeContract(book, subject);
    if (reclaim !== undefined) reclaimContract(book, subject);
    if (snapshots !== undefined) snapshotContract(book, subject);
    if (snapshots?.kinds.includes('Standby') === true) memorySnapshotContract(book, subject);
    logContract(book, subject);
    fieldContract(book, subject);
  });
}
