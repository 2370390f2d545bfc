import type * as Re2 from 're2js';

/**
 * Loads the engine of patterns in the moment in which it is needed, which takes some 15 ms. ES modules have no `require`:
 * `scripts/build.mjs` keeps this file CommonJS for them too.
 */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- `import` would load it with all else, or later
export const loadRe2 = (): typeof Re2 => require('re2js') as typeof Re2;
