/**
 * `npm run oracle -- --operations 1000000 --seed 7` holds bounded reading against Effect: random publishes, reads, joins,
 * leaves and ends, done to both. What differs is shrunk to the shortest play that shows it.
 */
import fc from 'fast-check';
import { parseArgs } from 'node:util';
import { compare, type Operation, type Play } from './compare.js';

const reader = fc.nat({ max: 7 });
const plain = (kind: 'publish' | 'join' | 'turn' | 'close'): fc.Arbitrary<Operation> => fc.constant({ kind });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 50, arbitrary: plain('publish') },
  { weight: 40, arbitrary: fc.record({ kind: fc.constant('take' as const), reader }) },
  { weight: 3, arbitrary: plain('join') },
  { weight: 3, arbitrary: plain('turn') },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), reader }) },
  { weight: 1, arbitrary: plain('close') },
);

const play: fc.Arbitrary<Play> = fc.record({
  source: fc.constantFrom('bus', 'Subject'),
  policy: fc.constantFrom('dropNewest', 'dropOldest'),
  capacity: fc.integer({ min: 1, max: 9 }),
  operations: fc.array(operation, { maxLength: 300, size: 'max' }),
});

const playsAtATime = 50;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { operations: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
  });
  const wanted = Number(values.operations);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${wanted.toLocaleString('en')} operations, seed ${String(seed)}`);

  let done = 0;
  const held = fc.asyncProperty(play, async (played) => {
    await compare(played);
    done += played.operations.length;
  });
  for (let round = 0; done < wanted; round += 1) {
    await fc.assert(held, { seed: seed + round, numRuns: playsAtATime });
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${done.toLocaleString('en')} operations`);
  }
  console.log(`${process.stdout.isTTY ? '\r' : ''}${done.toLocaleString('en')} operations, no difference`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
