import * as t from 'io-ts';
import { isRecord } from './closed.js';

/** Decodes an object that has these methods, whatever else it is; it is not copied. */
export function withMethods(name: string, ...methods: readonly string[]): t.Type<unknown> {
  const is = (value: unknown): value is unknown =>
    isRecord(value) && methods.every((method) => typeof value[method] === 'function');
  return new t.Type(
    name,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );
}
