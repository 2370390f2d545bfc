import type { Bench, Row } from './bench.js';
import type { Measured } from './results.js';
import type { Progress } from './measure.js';
import { median } from './statistics.js';
import { amount, rowName, times } from './written.js';

/** Tells on the console how a bench goes: a line that lives while a row is measured, then the row. */
export function progressOf(bench: Bench, print: (text: string) => void, isLive: boolean): Progress {
  const titleOf = (row: Row): string => (typeof row === 'number' ? `${rowName(row)} ${bench.rowsAre}` : row);

  const lineOf = ({ contender, samples, notRun }: Measured, ours: number): string => {
    if (notRun !== undefined) return `    ${contender.padEnd(22)} not run: ${notRun}`;
    const middle = median(samples);
    const least = amount(Math.min(...samples), bench.unit);
    const most = amount(Math.max(...samples), bench.unit);
    const ratio = ours > 0 ? times(middle / ours) : '';
    const figure = amount(middle, bench.unit).padStart(11);
    return `    ${contender.padEnd(22)}${figure}  (${least} to ${most})  ${ratio}`;
  };

  return {
    sampling: (row, round, rounds, contender) => {
      const step = round === 0 ? 'checks its answer' : `round ${String(round)} of ${String(rounds)}`;
      if (isLive) print(`\r\x1b[K  ${bench.name}: ${titleOf(row)}, ${contender}, ${step}`);
    },
    row: (row, measured) => {
      const ours = median(measured[0]?.samples ?? []);
      const lines = measured.map((cell) => lineOf(cell, ours));
      print(`${isLive ? '\r\x1b[K' : ''}  ${titleOf(row)}\n${lines.join('\n')}\n`);
    },
  };
}
