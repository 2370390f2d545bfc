// For authors of drivers: the contract, in any test framework.
export { type ContractFramework, driverContract } from './drivers/driverContract.js';
export type {
  DriverSubject,
  ExecSpecimens,
  HomeContent,
  LimitSpecimens,
  Specimen,
} from './drivers/driverSubject.js';
// Instances without machines, for tests and to try things out.
export { createMemoryDriver, type MemoryDriver } from './drivers/memory/memoryDriver.js';
export type { MemoryDriverOptions, MemoryOperation } from './drivers/memory/memoryDriverOptions.js';
export type { MemoryMachine } from './drivers/memory/memoryMachine.js';
