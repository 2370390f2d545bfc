/** Numbers that look like chance, and are the same for the same seed. */
export interface Dice {
  /** From 0 to 1, without 1. */
  next(): number;
  /** A whole number from 0 to `sides`, without that. */
  below(sides: number): number;
  pick<T>(all: readonly T[]): T;
}

/** @see Tommy Ettinger's mulberry32 */
export function createDice(seed: number): Dice {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (sides: number): number => Math.floor(next() * sides);
  return { next, below, pick: <T>(all: readonly T[]): T => all[below(all.length)] as T };
}
