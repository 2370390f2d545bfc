import { isPlain } from './closed.js';
import { isProxy } from './isProxy.js';

/** Says what kind of value it is and how large, and nothing of what it holds; without running any code of it. */
export function described(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'string':
      return value === '' ? 'an empty text' : `a text of ${counted(value.length, 'character')}`;
    case 'number':
    case 'bigint':
      return 'a number';
    case 'boolean':
      return String(value);
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : objectDescribed(value);
  }
}

function objectDescribed(value: object): string {
  if (isProxy(value)) return 'a proxy';
  if (Array.isArray(value))
    return value.length === 0 ? '[]' : `an array of ${counted(value.length, 'value')}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!isPlain(value)) return `an instance of ${classOf(prototype) ?? 'a class'}`;
  const keys = Object.keys(value).length;
  return keys === 0 ? '{}' : `an object with ${counted(keys, 'key')}`;
}

/** The name of a class, as far as that is a plain text. */
function classOf(prototype: unknown): string | undefined {
  const made = property(prototype, 'constructor');
  const name = typeof made === 'function' ? property(made, 'name') : undefined;
  return typeof name === 'string' && /^\w{1,40}$/.test(name) ? name : undefined;
}

/** A property of its own, unless it is a getter. */
const property = (value: unknown, key: string): unknown =>
  isProxy(value) ? undefined : Object.getOwnPropertyDescriptor(value, key)?.value;

const counted = (count: number, what: string): string => `${String(count)} ${what}${count === 1 ? '' : 's'}`;
