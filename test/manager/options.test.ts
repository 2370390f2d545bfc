import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';

const driver = createMemoryDriver();

it.each([
  ['60 million places with nothing in them', 60_000_000, new Array<never>(60_000_000)],
  ['as many as an array can have', 2 ** 32 - 1, new Array<never>(2 ** 32 - 1)],
  [
    'more kinds than anybody has',
    101,
    Array.from({ length: 101 }, (_, n) => ({ ...driver, kind: `k${String(n)}` })),
  ],
])('a list of drivers of %s is refused by its length', async (_, length, drivers) => {
  const fault = {
    path: 'drivers',
    found: `an array of ${String(length)} values`,
    expected: 'drivers (an array of at most 100)',
  };
  await expect(openManager({ drivers })).rejects.toMatchObject({ _tag: 'InvalidRequest', faults: [fault] });
});
