import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { instancesContract } from '../instances/instancesContract.js';

instancesContract(async () => {
  const driver = createMemoryDriver();
  const manager = await openManager({ drivers: [driver] });
  return { driver, manager, close: () => manager.close() };
});
