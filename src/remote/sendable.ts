import { isPlain } from '../codecs/closed.js';
import { found } from '../codecs/decode.js';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';

/** Deeper than any request is. */
const mostLevels = 60;

/**
 * Refuses what JSON would leave out or change without a word: a verb would do something else than was asked for.
 *
 * @throws {@link InvalidRequest} naming each path
 */
export function refuseUnsendable(given: readonly unknown[]): void {
  const faults = given.flatMap((value) => faultsOf(value, '', 0));
  if (faults.length > 0) throw new InvalidRequest({ faults: faults.slice(0, 100) });
}

function faultsOf(value: unknown, path: string, level: number): readonly Fault[] {
  if (isLeaf(value)) return [];
  if (level < mostLevels && Array.isArray(value))
    return value.flatMap((part: unknown, index) =>
      faultsOf(part ?? null, `${path}[${String(index)}]`, level + 1),
    );
  if (level < mostLevels && isPlain(value))
    return Object.entries(value).flatMap(([key, part]) => faultsOf(part, pathTo(path, key), level + 1));
  return [{ path, found: found(value), expected: 'what JSON can say' }];
}

const isLeaf = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && Number.isFinite(value));

const pathTo = (path: string, key: string): string => {
  if (!/^\w+$/.test(key)) return `${path}['${key}']`;
  return path === '' ? key : `${path}.${key}`;
};
