import { execContract } from './contract/execContract.js';
import { type ContractBench, createContractBench } from './contract/contractBench.js';
import { endingContract } from './contract/endingContract.js';
import { fieldContract } from './contract/fieldContract.js';
import { fileContract } from './contract/fileContract.js';
import { freezingContract } from './contract/freezingContract.js';
import { handleContract } from './contract/handleContract.js';
import { homeContract } from './contract/homeContract.js';
import { launchContract } from './contract/launchContract.js';
import { limitContract } from './contract/limitContract.js';
import type { ContractSuite } from './contract/contractSuite.js';
import { logContract } from './contract/logContract.js';
import { memoryContract } from './contract/memoryContract.js';
import { memorySnapshotContract } from './contract/memorySnapshotContract.js';
import { portContract } from './contract/portContract.js';
import { reclaimContract } from './contract/reclaimContract.js';
import { sendContract } from './contract/sendContract.js';
import { signalContract } from './contract/signalContract.js';
import { snapshotContract } from './contract/snapshotContract.js';
import type { Driver } from './driver.js';
import type { DriverSubject } from './driverSubject.js';

/** The words of a test framework: two that every one has, and one that saves time. */
export interface ContractFramework {
  /** Groups what the body declares. */
  describe(name: string, body: () => void): void;
  /** Declares one test. */
  it(name: string, body: () => Promise<void>): void;
  /**
   * Does something once all tests of a group are over.
   *
   * @defaultValue tests that could share a machine launch one each
   */
  afterAll?(body: () => Promise<void>): void;
}

/**
 * Declares one test for each sentence of the contract that every driver keeps, in any framework with `describe` and `it`. What
 * a driver does not have (logs, freezing, snapshots) is left out; the {@link DriverSubject} says what there is to try.
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
  { describe, it, afterAll }: ContractFramework,
  subject: DriverSubject<D>,
): void {
  const { kind, capabilities, reclaim, files, snapshots } = subject.createDriver();

  const suite: ContractSuite<D> = {
    describe,
    it: (sentence, body) => {
      it(sentence, async () => {
        const bench = createContractBench(subject);
        try {
          await body(bench);
        } finally {
          await bench.clear();
        }
      });
    },
    shared: (make) => {
      if (afterAll === undefined) return make;
      let made: { readonly bench: ContractBench<D>; readonly value: ReturnType<typeof make> } | undefined;
      afterAll(async () => made?.bench.clear());
      return () => {
        if (made === undefined) {
          const bench = createContractBench(subject);
          made = { bench, value: make(bench) };
        }
        return made.value;
      };
    },
  };

  describe(`a driver of kind "${kind}"`, () => {
    launchContract(suite, subject);
    handleContract(suite, subject);
    signalContract(suite, subject);
    endingContract(suite, subject);
    freezingContract(suite, subject, capabilities);
    memoryContract(suite, subject, capabilities);
    sendContract(suite, subject, capabilities);
    portContract(suite, subject, capabilities);
    execContract(suite, subject, capabilities);
    limitContract(suite, subject, capabilities);
    if (files !== undefined) fileContract(suite, subject, capabilities);
    homeContract(suite, subject);
    if (reclaim !== undefined) reclaimContract(suite, subject);
    if (snapshots !== undefined) snapshotContract(suite, subject);
    if (snapshots?.kinds.includes('Standby') === true) memorySnapshotContract(suite, subject);
    logContract(suite, subject);
    fieldContract(suite, subject);
  });
}
