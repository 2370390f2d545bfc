/** Whether all is played that a test has to play, as `npm run test:long` does. */
const isLong = process.env['LONG'] === '1';

/** Other rows each time, so that in a few runs all have had their turn. */
const turn = Math.floor(Math.random() * 1_000);

/** How often something is repeated: in short a few times. */
export const times = (short: number, long: number): number => (isLong ? long : short);

/** Every row of a table; in short one of so many, others each time. */
export const oneIn = <Row>(howMany: number, rows: readonly Row[]): readonly Row[] =>
  isLong ? rows : rows.filter((_, index) => (index + turn) % howMany === 0);
