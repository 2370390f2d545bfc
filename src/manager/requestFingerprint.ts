import { createHash } from 'node:crypto';
import { isRecord } from '../codecs/closed.js';

/** No request that is understood nests deeper. */
const mostLevels = 64;

/**
 * Tells one request from another: two have the same where all that was asked for is the same, in whatever order its keys stand. What
 * was asked for can't be told from it.
 */
export const requestFingerprint = (asked: readonly unknown[]): string =>
  createHash('sha256').update(canonical(asked)).digest('base64url');

/** Writes a value so that what is the same is written the same, in whatever order its keys stand. */
export function canonical(value: unknown, level = 0): string {
  if (level > mostLevels) return '…';
  if (Array.isArray(value)) return `[${value.map((each) => canonical(each, level + 1)).join()}]`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (!isRecord(value)) return String(value);
  const parts = Object.keys(value)
    .sort()
    .filter((key) => value[key] !== undefined)
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key], level + 1)}`);
  return `{${parts.join()}}`;
}
