import type { Row } from './bench.js';

/** Rows for what depends on how much memory the process holds: starting a process copies its page tables. */
export const sizes: readonly Row[] = ['a small parent', 'a parent of 1 GB'];

/** Holds as much memory as the row says, every page of it in use. */
export function ballast(row: Row): readonly Buffer[] {
  return row === sizes[0] ? [] : Array.from({ length: 16 }, () => Buffer.alloc(2 ** 26, 1));
}
