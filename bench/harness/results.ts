import type { Cell, Goal, Row, Unit } from './bench.js';
import { median, middleHalf } from './statistics.js';

/** What was measured of one contender in one row. */
export interface Measured extends Cell {
  /** One figure for each round; contenders took turns, so that figures of one round belong together. */
  readonly samples: readonly number[];
  /** Why there are none. */
  readonly notRun?: string;
}

/** A goal, and what came of it. */
export interface Outcome {
  readonly what: string;
  readonly atMost: number;
  /** A ratio of two cells, or an amount in the unit of the table; absent where a cell was not run. */
  readonly measured?: number;
  /** Where half of the rounds lie: how far to trust the figure. Absent in what was measured before this was kept. */
  readonly spread?: readonly [number, number];
  readonly isRatio: boolean;
  readonly met: boolean;
}

/** One table with all that was measured. */
export interface Result {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly unit: Unit;
  readonly rowsAre: string;
  readonly rows: readonly Row[];
  readonly contenders: readonly string[];
  readonly measured: readonly Measured[];
  readonly goals: readonly Outcome[];
  /** Where and when, and on which versions. */
  readonly ranOn: string;
}

/** Finds a cell. */
export const cellOf = (measured: readonly Measured[], { contender, row }: Cell): Measured | undefined =>
  measured.find((cell) => cell.contender === contender && cell.row === row);

/** Holds a goal against what was measured. A ratio is the median of the ratios of each round, a difference that of theirs. */
export function outcomeOf(goal: Goal, measured: readonly Measured[]): Outcome {
  const { what, atMost, of, by, beyond } = goal;
  const samplesOf = (cell: Cell): readonly number[] => cellOf(measured, cell)?.samples ?? [];
  const inRound = (cell: Cell | undefined, round: number, absent: number): number =>
    cell === undefined ? absent : (samplesOf(cell)[round] ?? NaN);
  const figures = samplesOf(of)
    .map((figure, round) => (figure - inRound(beyond, round, 0)) / inRound(by, round, 1))
    .filter((figure) => !Number.isNaN(figure));
  const isRatio = by !== undefined;
  if (figures.length === 0) return { what, atMost, isRatio, met: false };
  const figure = median(figures);
  return { what, atMost, isRatio, measured: figure, spread: middleHalf(figures), met: figure <= atMost };
}
