import { record } from './record.js';
import { text } from './scalars.js';

const tagText = /^[A-Za-z0-9 _.:/=+@-]*$/;
/** Decodes the key of a label. */
export const tagKey = text(
  'a tag key (1 to 128 of letters, digits and " _.:/=+@-")',
  (value) => value.length >= 1 && value.length <= 128 && tagText.test(value),
);
const tagValue = text(
  'a tag value (at most 256 of letters, digits and " _.:/=+@-")',
  (value) => value.length <= 256 && tagText.test(value),
);

/** Decodes labels to look for. */
export const anyTags = record('tags (an object of texts)', tagKey, tagValue);
