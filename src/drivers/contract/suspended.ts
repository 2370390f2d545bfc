import assert from 'node:assert/strict';
import type { ContractBench, Launched } from './contractBench.js';
import type { Driver, Freezing, LaunchPlan, Machine } from '../driver.js';
import type { DriverSubject, Specimen } from '../driverSubject.js';

/** A home of which no machine runs, and where the one was that was suspended in it. */
export interface Suspended {
  readonly plan: LaunchPlan;
  readonly place: Place;
}

/** How far a machine had counted, and of how many numbers the log tells. */
export interface Place {
  readonly last: number;
  readonly told: number;
}

/** What a driver needs whose standby frees memory. */
export function countingOf<D extends Driver>({ counting }: DriverSubject<D>): Specimen<D> {
  assert.ok(counting !== undefined, 'there is a specimen that counts');
  return counting;
}

/** How to halt a machine and keep its memory. */
export function keeping({ freezing }: Machine): Required<Freezing> {
  const { freeze, thaw, suspend } = freezing ?? {};
  assert.ok(freeze !== undefined && thaw !== undefined && suspend !== undefined, 'it can be suspended');
  return { freeze, thaw, suspend };
}

/** Launches a machine and lets it count for a while. */
export async function counting<D extends Driver>(
  bench: ContractBench<D>,
  subject: DriverSubject<D>,
): Promise<Launched> {
  const launched = await bench.launched(countingOf(subject));
  const [first] = await bench.counts(launched.plan, 0);
  assert.equal(first, 1, 'it counts from 1 on');
  return launched;
}

/** Suspends a machine that has counted for a while, and ends it. */
export async function suspended<D extends Driver>(
  bench: ContractBench<D>,
  { plan, machine }: Launched,
): Promise<Suspended> {
  await bench.done(keeping(machine).suspend());
  const place = await placeOf(bench, plan);
  await bench.one(machine.kill());
  return { plan, place };
}

/** Where a machine is that is halted. */
export async function placeOf<D extends Driver>(bench: ContractBench<D>, plan: LaunchPlan): Promise<Place> {
  const counted = await bench.counted(plan);
  return { last: counted.at(-1) ?? 0, told: counted.length };
}

/**
 * A machine that is halted is let go, and goes on from a place, without a gap. The log of a copy begins with the rest of a line
 * that was cut off, whose number is told nowhere.
 */
export async function goesOnFrom<D extends Driver>(
  bench: ContractBench<D>,
  { last }: Place,
  { plan, machine }: Launched,
): Promise<void> {
  const { told } = await placeOf(bench, plan);
  await bench.done(keeping(machine).thaw());
  const [first = 0, ...rest] = await bench.counts(plan, told);
  assert.ok(
    first === last + 1 || first === last + 2,
    `it goes on from ${String(last)}, not to ${String(first)}`,
  );
  assert.deepEqual(
    rest,
    rest.map((_, index) => first + index + 1),
  );
}

/** Resumes what was suspended and lets it go on. */
export async function resumedFrom<D extends Driver>(
  bench: ContractBench<D>,
  { plan, place }: Suspended,
): Promise<Launched> {
  const machine = await bench.resumed(plan);
  await goesOnFrom(bench, place, { plan, machine });
  return { plan, machine };
}

/** There is nothing in a home to go on from: what is launched there begins. */
export async function holdsNoMemory<D extends Driver>(
  bench: ContractBench<D>,
  subject: DriverSubject<D>,
  plan: LaunchPlan,
): Promise<void> {
  assert.ok(bench.driver.resume !== undefined);
  await bench.fails(bench.driver.resume(plan));
  await bench.runsNoMore(plan);
  await begins(bench, subject, plan);
}

/** What is launched in a home begins. */
export async function begins<D extends Driver>(
  bench: ContractBench<D>,
  subject: DriverSubject<D>,
  plan: LaunchPlan,
): Promise<Launched> {
  const { told } = await placeOf(bench, plan);
  const launched = await bench.launchAgain(countingOf(subject), plan);
  const [first = 0] = await bench.counts(plan, told);
  assert.ok(first === 1 || first === 2, `it begins, and is not at ${String(first)}`);
  return launched;
}
