import { isProxy } from './isProxy.js';

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
    if (typeof part !== 'object' || part === null || isProxy(part)) return undefined;
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
const lengthOf = (text: string, left: number): number => (text.length > left ? text.length : bytesOf(text));

/** In UTF-8. A pair of surrogates is two units and four bytes; one alone is written as a sign of three. */
function bytesOf(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) bytes += 1;
    if (unit > 0x7ff && !isPaired(text, index, unit)) bytes += 1;
  }
  return bytes;
}

const isPaired = (text: string, index: number, unit: number): boolean =>
  unit >= 0xd800 && unit < 0xe000 && (unit < 0xdc00 ? isLow(text, index + 1) : isHigh(text, index - 1));
const isHigh = (text: string, index: number): boolean => isWithin(text.charCodeAt(index), 0xd800, 0xdbff);
const isLow = (text: string, index: number): boolean => isWithin(text.charCodeAt(index), 0xdc00, 0xdfff);
const isWithin = (unit: number, from: number, to: number): boolean => unit >= from && unit <= to;
