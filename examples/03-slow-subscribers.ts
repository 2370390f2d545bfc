/** Four subscribers that are far too slow, one for each policy. None slows the others, and every loss is told. */
import { type Lag, type LifecycleEvent, openManager, type Overflow } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { catchError, concatMap, delay, lastValueFrom, of, range, toArray } from 'rxjs';

const policies: readonly Overflow[] = ['dropNewest', 'dropOldest', 'latest', 'fail'];

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createMemoryDriver()] });

  const slowReader = (overflow: Overflow) => {
    const onLag = ({ missed, from, to }: Lag<LifecycleEvent>): void => {
      console.log(
        `${overflow}: lost ${String(missed)}, from ${String(from.sequence)} to ${String(to.sequence)}`,
      );
    };
    return manager
      .consume(`reader_${overflow.toLowerCase()}`, ({ sequence }) => of(sequence).pipe(delay(20)), {
        capacity: 4,
        overflow,
        onLag,
      })
      .pipe(
        catchError((error: unknown) => of(String(error))),
        toArray(),
      );
  };
  const readers = policies.map(async (overflow) => {
    const read = await lastValueFrom(slowReader(overflow));
    console.log(`${overflow}: read ${read.join(', ')}`);
  });

  await lastValueFrom(manager.create({ name: 'busy', image: 'any' }));
  await lastValueFrom(manager.create({ name: 'quiet', image: 'any' }));
  const restarts$ = range(10).pipe(concatMap(() => manager.restart('busy')));
  await lastValueFrom(restarts$);
  await manager.close();
  await Promise.all(readers);

  for (const [consumer, { dropped, lagged }] of Object.entries(manager.stats())) {
    if (consumer.startsWith('reader_')) console.log(consumer, { ...dropped, lagged });
  }
}

void main();
