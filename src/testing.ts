// For authors of drivers: the law, in any test framework.
export { type ContractFramework, driverContract } from './drivers/driverContract.js';
export type { DriverSubject, HomeContent, Specimen } from './drivers/driverSubject.js';
