import * as t from 'io-ts';
import { isRecord } from './closed.js';

// By its shape, since it may come from another realm; a Buffer is one too.
const isBytes = (value: unknown): value is Uint8Array =>
  Object.prototype.toString.call(value) === '[object Uint8Array]';

const sourceMethods = ['subscribe', Symbol.asyncIterator, Symbol.iterator, 'then', 'getReader'] as const;

const isInput = (value: unknown): value is unknown =>
  typeof value === 'string' ||
  isBytes(value) ||
  ((isRecord(value) || Array.isArray(value)) &&
    sourceMethods.some((method) => typeof (value as Record<PropertyKey, unknown>)[method] === 'function'));

/** Decodes what a program is to read; what a source emits is looked at when it comes. */
export const execInput = new t.Type<unknown>(
  'text, bytes (a Uint8Array), or an Observable or iterable of such',
  isInput,
  (value, context) => (isInput(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);
