import type { Row, Unit } from './bench.js';

const prefixes: Readonly<Record<Unit, readonly (readonly [number, string])[]>> = {
  ns: [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
    [0, 'ns'],
  ],
  bytes: [
    [1e6, 'MB'],
    [1e3, 'kB'],
    [0, 'B'],
  ],
  reads: [[0, 'reads']],
  'ms of CPU per second': [[0, 'ms/s']],
};

/** Writes a number with three digits that count. */
export function digits(figure: number): string {
  if (figure === 0) return '0';
  const rounded = Number(figure.toPrecision(3));
  return Math.abs(rounded) >= 1_000 ? rounded.toLocaleString('en') : String(rounded);
}

/** Writes an amount as a reader wants it: 7,712 ns as `7.71 µs`. */
export function amount(figure: number, unit: Unit): string {
  const [scale, name] = prefixes[unit].find(([least]) => Math.abs(figure) >= least) ?? [0, unit];
  return `${digits(scale === 0 ? figure : figure / scale)} ${name}`;
}

/** Writes how many times as much. */
export const times = (ratio: number): string => `${digits(ratio)}×`;

/** Writes what a row stands for. */
export const rowName = (row: Row): string => (typeof row === 'number' ? row.toLocaleString('en') : row);
