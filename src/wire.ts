// How instances and what happens to them is written for others: one codec each. Runs in a browser too.
export { wireChange } from './codecs/wire/wireChange.js';
export { wireError } from './codecs/wire/wireError.js';
export { wireEvent } from './codecs/wire/wireEvent.js';
export { wireInstance } from './codecs/wire/wireInstance.js';
export type { WireObject } from './codecs/wire/wireObject.js';
export { wireSnapshot } from './codecs/wire/wireSnapshot.js';
