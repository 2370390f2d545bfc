import { createDataDirs } from './dataDir.js';
import { storeContract } from './storeContract.js';

const dataDirs = createDataDirs();

describe('the durable store', () => {
  storeContract((options) => dataDirs.open(dataDirs.make(), options));
});
