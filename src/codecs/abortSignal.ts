import * as t from 'io-ts';
import { isRecord } from './closed.js';

// By its shape: it may come from another realm, or be somebody's own.
const isAbortSignal = (value: unknown): value is AbortSignal =>
  isRecord(value) && typeof value['aborted'] === 'boolean' && typeof value['addEventListener'] === 'function';

/** Decodes an `AbortSignal`, whoever has made it. */
export const abortSignal = new t.Type<AbortSignal, unknown>(
  'an AbortSignal',
  isAbortSignal,
  (value, context) => (isAbortSignal(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);
