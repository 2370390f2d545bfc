import * as t from 'io-ts';

const mostMs = 8.64e15;

/** Unix time in milliseconds, written as hypeman writes times: RFC 3339, in UTC. */
export const wireTime = new t.Type<number, string, unknown>(
  'a time as 2026-01-31T12:00:00.000Z',
  (value): value is number => Number.isInteger(value) && Math.abs(value as number) <= mostMs,
  (value, context) => {
    const isTime = typeof value === 'string' && form.test(value);
    const time = isTime ? Date.parse(value) : NaN;
    return Number.isNaN(time) ? t.failure(value, context) : t.success(time);
  },
  (time) => new Date(time).toISOString(),
);

const form = /^([+-]\d{2})?\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
