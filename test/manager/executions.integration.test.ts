import { createProcessDriver, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { executionsContract } from '../instances/executionsContract.js';

executionsContract(async () => {
  const drivers = [createProcessDriver({ pollMs: 5 }), createMemoryDriver()];
  const manager = await openManager({ drivers });
  return { manager, close: () => manager.close() };
});
