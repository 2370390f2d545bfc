import { type Bench, NotRun, type Row } from './bench.js';
import { type Contestant, startContestant } from './contestant.js';
import { type Measured, outcomeOf, type Result } from './results.js';

/** Hears what is going on. */
export interface Progress {
  /** Before every sample. */
  sampling(row: Row, round: number, rounds: number, contender: string): void;
  /** After every row. */
  row(row: Row, measured: readonly Measured[]): void;
}

interface Entry {
  readonly contestant: Contestant;
  readonly samples: number[];
  readonly notRun?: string;
}

/** Measures every cell of a bench. In every round the contenders take turns, beginning with another each time. */
export async function measure(bench: Bench, ranOn: string, progress: Progress): Promise<Result> {
  const { name, title, about, unit, rowsAre, rows, rounds: roundsOf = 7, contenders, goals } = bench;
  const contestants = contenders.map((contender) => ({
    contender,
    contestant: startContestant(name, contender.name),
  }));
  const measured: Measured[] = [];
  try {
    for (const row of rows) {
      const rounds = typeof roundsOf === 'number' ? roundsOf : roundsOf(row);
      const entries: Entry[] = [];
      for (const { contender, contestant } of contestants) {
        if (typeof row === 'number' && row > (contender.upTo ?? Infinity)) continue;
        progress.sampling(row, 0, rounds, contender.name);
        entries.push(await enter(contestant, row));
      }
      const running = entries.filter(({ notRun }) => notRun === undefined);
      for (let round = 0; round < rounds; round += 1) {
        for (let turn = 0; turn < running.length; turn += 1) {
          const entry = running[(round + turn) % running.length] as Entry;
          progress.sampling(row, round + 1, rounds, entry.contestant.name);
          entry.samples.push(await entry.contestant.sample());
        }
      }
      for (const { contestant } of running) await contestant.close();
      const cells = entries.map(({ contestant, samples, notRun }): Measured => ({
        contender: contestant.name,
        row,
        samples,
        ...(notRun === undefined ? {} : { notRun }),
      }));
      measured.push(...cells);
      progress.row(row, cells);
    }
  } finally {
    for (const { contestant } of contestants) contestant.end();
  }
  return {
    name,
    title,
    about,
    unit,
    rowsAre,
    rows,
    contenders: contenders.map((contender) => contender.name),
    measured,
    goals: goals.map((goal) => outcomeOf(goal, measured)),
    ranOn,
  };
}

async function enter(contestant: Contestant, row: Row): Promise<Entry> {
  try {
    await contestant.open(row);
    return { contestant, samples: [] };
  } catch (error) {
    if (error instanceof NotRun) return { contestant, samples: [], notRun: error.message };
    throw error;
  }
}
