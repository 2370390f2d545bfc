import { createMemoryDriver, type MemoryDriver, type MemoryDriverOptions } from 'rx-instances/testing';
import type { DriverSubject } from 'rx-instances/testing';

const spec = { driver: 'memory', image: 'any', env: {}, tags: {} };
const waiting = { ...spec, readiness: { kind: 'tcp', port: 80 } } as const;

const create = (options: MemoryDriverOptions = {}): MemoryDriver =>
  createMemoryDriver({
    stopMs: 1,
    fail: (operation, plan) =>
      operation === 'launch' && plan.spec.image === 'broken' ? new Error('no such image') : undefined,
    ...options,
  });

/** The memory driver, for the contract. */
export const memorySubject: DriverSubject<MemoryDriver> = {
  createDriver: () => create(),
  homesDir: '/nowhere',
  isRunning: (driver, instanceId) => driver.running().includes(instanceId),
  crash: (driver, instanceId) => {
    driver.machine(instanceId).exit({ code: null, signal: 'SIGSEGV' });
  },
  fields: { ports: [{ guest: 80 }], readiness: { kind: 'log', pattern: '^listening' }, stopGraceMs: 100 },
  lasting: { spec },
  ending: {
    spec,
    play: (driver, instanceId) => {
      driver.machine(instanceId).exit({ code: 3, signal: null });
    },
  },
  slow: {
    spec: waiting,
    play: (driver, instanceId) => {
      driver.machine(instanceId).ready();
    },
  },
  neverReady: { spec: waiting },
  broken: { spec: { ...spec, image: 'broken' } },
  printing: {
    spec,
    play: (driver, instanceId) => {
      for (const line of ['one', 'two', 'three']) driver.machine(instanceId).print(line);
    },
  },
};

/** The memory driver that can suspend. */
export const keepingSubject: DriverSubject<MemoryDriver> = {
  ...memorySubject,
  createDriver: () => create({ standbyFrees: 'memory' }),
  counting: {
    spec,
    play: (driver, instanceId) => {
      for (let times = 0; times < 3; times += 1) driver.machine(instanceId).count();
    },
  },
};
