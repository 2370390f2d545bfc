import type { Database, Row } from './database.js';

/** Reads all records from one key on and below another, some at a time. */
export function* scan(database: Database, from: string, below: string): Generator<Row> {
  let start = from;
  for (;;) {
    const rows = database.range(start, below, rowsAtATime);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsAtATime) return;
    start = `${last.key}\0`;
  }
}

const rowsAtATime = 1_000;
