import { text } from './scalars.js';

/** Decodes the id of an instance or a snapshot. It is made into a path, and can lead nowhere but to a name in a folder. */
export const id = text('an id (a lower-case letter, then 23 of lower-case letters and digits)', (value) =>
  /^[a-z][a-z0-9]{23}$/.test(value),
);
