import { taggedError } from '../lifecycle/taggedError.js';

/** What was decided turned out not to be wanted before it was done. Nothing is told of it, and the rules are asked anew. */
export class Withdrawn extends taggedError('Withdrawn', () => 'it is not wanted any more') {}
