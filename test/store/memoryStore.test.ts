import { createMemoryStore } from '../../src/store/memoryStore.js';
import { storeContract } from './storeContract.js';

describe('the memory store', () => {
  storeContract(({ retention, now }) => Promise.resolve(createMemoryStore(now, retention)));
});
