/** Bills each instance for the time that it ran: the lifecycle stream is an Observable, so that RxJS does the rest. */
import { createProcessDriver, openManager, type LifecycleEvent } from 'rx-instances';
import { concatMap, from, groupBy, lastValueFrom, map, mergeMap, pairwise, reduce, timer } from 'rxjs';

const centsPerSecond = 3;

interface Share {
  readonly name: string;
  readonly cents: number;
}

/** What the time from one event of an instance to the next costs: nothing while it does not run. */
function shareOf([from, to]: readonly [LifecycleEvent, LifecycleEvent]): Share {
  const ran = from.instance?.state === 'Running';
  return {
    name: from.instance?.name ?? '',
    cents: ran ? ((to.time - from.time) / 1_000) * centsPerSecond : 0,
  };
}

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });

  const bills$ = manager.events('billing').pipe(
    groupBy(({ instanceId }) => instanceId),
    mergeMap((events$) =>
      events$.pipe(
        pairwise(),
        map(shareOf),
        reduce((bill, { name, cents }) => ({ name, cents: bill.cents + cents }), { name: '', cents: 0 }),
      ),
    ),
  );
  bills$.subscribe(({ name, cents }) => {
    console.log(`${name} owes ${cents.toFixed(1)} cents`);
  });

  const sleeper = { image: 'scratch', entrypoint: ['sleep', '60'] };
  const steps = [
    () => manager.create({ ...sleeper, name: 'always-on' }),
    () => manager.create({ ...sleeper, name: 'half-asleep' }),
    () => timer(1_000),
    () => manager.standby('half-asleep'),
    () => timer(1_000),
  ];
  await lastValueFrom(from(steps).pipe(concatMap((step) => step())));
  await manager.close();
}

void main();
