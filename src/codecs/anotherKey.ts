import type { Fault } from '../lifecycle/errors.js';

/** What is expected of a key that nobody knows: one of the keys that are known. The nearest one is named if the key can be meant for it. */
export function anotherKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return `${start}${meant === undefined ? '' : `, perhaps ${meant}`}; ${known.length === 0 ? none : `${before}${known.join(separator)}`}`;
}

/**
 * Names further keys in a fault of {@link anotherKey}, before those that it names: for whoever has decoded only a part of an
 * object. Any other fault stays as it is, and so does one that is not at the top of the object.
 */
export function withKeys(keys: readonly string[], fault: Fault): Fault {
  if (!fault.expected.startsWith(start) || !/^[\w$-]+$/.test(fault.path)) return fault;
  const [, list = ''] = fault.expected.split(before);
  const known = list === '' ? [] : list.split(separator);
  return { ...fault, expected: anotherKey(fault.path, [...keys, ...known]) };
}

const start = 'another key';
const before = 'known are ';
const none = 'none is known';
const separator = ', ';

/** Longer ones are no mistyped words, and take long to compare. */
const longestKey = 64;

function nearest(key: string, known: readonly string[]): string | undefined {
  if (key.length > longestKey) return undefined;
  const ranked = known
    .map((candidate) => ({ candidate, distance: distanceOf(plainOf(key), plainOf(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 4)))
    .filter(({ candidate, distance }) => distance < candidate.length / 2)
    .sort((one, other) => one.distance - other.distance);
  return ranked[0]?.candidate;
}

/** `target_state` and `TargetState` are meant for `targetState`. */
const plainOf = (key: string): string => key.toLowerCase().replace(/[_-]/g, '');

/** How many letters have to be put in, left out, changed, or changed with their neighbour, to make one text of the other. */
function distanceOf(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row += 1) {
    rows.push([row]);
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      rows[row]?.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (isSame ? 0 : 1),
          isSwapped && row > 1 && column > 1 ? at(row - 2, column - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(one.length, other.length);
}
