import { text } from './scalars.js';

/** Decodes the name of an instance or a snapshot. */
export const name = text('a name (1 to 63 lower-case letters, digits and inner hyphens)', (value) =>
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value),
);
