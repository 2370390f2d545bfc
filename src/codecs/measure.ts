import { types } from 'node:util';

/** What a value may be at most. */
export interface Measures {
  /** Of its texts in UTF-8, names of keys included, and 8 for each value in it, and for each place of an array. */
  readonly bytes: number;
  /** How many objects and arrays may lie in one another. */
  readonly levels: number;
}

/**
 * Tells which measure a value exceeds. It stops as soon as it knows, so a value may be of any size, and hold itself. No code of
 * the value is run: what a getter or a proxy gives is not looked at.
 */
export function exceeded(value: unknown, { bytes, levels }: Measures): keyof Measures | undefined {
  let left = bytes;

  const walk = (part: unknown, level: number): keyof Measures | undefined => {
    left -= 8;
    if (typeof part === 'string') left -= lengthOf(part, left);
    // Empty places too: whoever looks at an array looks at each.
    else if (Array.isArray(part)) left -= 8 * part.length;
    if (left < 0) return 'bytes';
    if (typeof part !== 'object' || part === null || types.isProxy(part)) return undefined;
    if (level === levels) return 'levels';
    // Not all keys in one array: there may be millions.
    for (const key in part) {
      if (!Array.isArray(part)) left -= lengthOf(key, left);
      const found = walk(Object.getOwnPropertyDescriptor(part, key)?.value, level + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  return walk(value, 0);
}

/** Of a text that is too long for what is left, only that it is. */
const lengthOf = (text: string, left: number): number =>
  text.length > left ? text.length : Buffer.byteLength(text);
