import * as t from 'io-ts';
import type { Json } from '../lifecycle/instance.js';

const deepest = 100;

const isNestedIn = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (levels > 0 && Object.values(value).every((part) => isNestedIn(part, levels - 1)));

const isJson = (value: unknown): value is Json => value !== undefined && isNestedIn(value, deepest);

/** What comes out of JSON is JSON. What is nested without end would overflow the stack of whoever goes through it. */
export const json = new t.Type<Json>(
  `JSON, nested at most ${String(deepest)} deep`,
  isJson,
  (value, context) => (isJson(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);
