import type { Driver } from '../driver.js';
import type { ContractBench } from './contractBench.js';

/** What a contract is declared with: groups and sentences, as in a test framework. */
export interface ContractSuite<D extends Driver> {
  /** Groups what the body declares. */
  describe(name: string, body: () => void): void;
  /** Declares one test of a case, on a bench of its own. */
  it(sentence: string, body: (bench: ContractBench<D>) => Promise<void>): void;
  /** What the cases of a group share, made by the first that asks for it; where none can be shared, by each on its own bench. */
  shared<T>(make: (bench: ContractBench<D>) => Promise<T>): (bench: ContractBench<D>) => Promise<T>;
}
