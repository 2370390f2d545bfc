// Verbs and waits as Promises.
export { promised, type PromisedInstances } from './promises/promised.js';
