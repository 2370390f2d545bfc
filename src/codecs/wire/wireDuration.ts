import * as t from 'io-ts';
import { durationOf, millisecondsOf } from '../duration.js';

/** Milliseconds, written as hypeman writes durations, which is Go's way: `5m0s`. */
export const wireDuration = new t.Type<number, string, unknown>(
  'a duration such as 5m0s',
  (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
  (value, context) => {
    const milliseconds = typeof value === 'string' ? Math.round(millisecondsOf(value)) : NaN;
    return Number.isSafeInteger(milliseconds) ? t.success(milliseconds) : t.failure(value, context);
  },
  durationOf,
);
