import type { Driver } from '../driver.js';
import type { ContractBench } from './contractBench.js';

/** What the sentences of the law are declared with. */
export interface Lawbook<D extends Driver> {
  /** Groups what the body declares. */
  describe(name: string, body: () => void): void;
  /** Declares one test of a case, on a bench of its own. */
  law(sentence: string, body: (bench: ContractBench<D>) => Promise<void>): void;
}
