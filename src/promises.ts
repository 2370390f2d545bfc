// Verbs and waits as Promises.
export type { ExecOutcome, GatheredExecRequest } from './promises/gatheredExec.js';
export { promised, type PromisedInstances } from './promises/promised.js';
