import type { Bench } from './harness/bench.js';
import { before } from './tables/before.js';
import { behind } from './tables/behind.js';
import { consume } from './tables/consume.js';
import { consumeMemory } from './tables/consumeMemory.js';
import { copies } from './tables/copies.js';
import { create } from './tables/create.js';
import { deletion } from './tables/deletion.js';
import { door } from './tables/door.js';
import { doorMemory } from './tables/doorMemory.js';
import { doorWake } from './tables/doorWake.js';
import { durable } from './tables/durable.js';
import { exec } from './tables/exec.js';
import { httpEvents } from './tables/httpEvents.js';
import { httpEventsMemory } from './tables/httpEventsMemory.js';
import { httpWaits } from './tables/httpWaits.js';
import { httpWaitEvents } from './tables/httpWaitEvents.js';
import { httpLatency } from './tables/httpLatency.js';
import { httpLog } from './tables/httpLog.js';
import { httpReads } from './tables/httpReads.js';
import { idleMemory } from './tables/idleMemory.js';
import { idleProcessor } from './tables/idleProcessor.js';
import { iterate } from './tables/iterate.js';
import { lostWakeUp } from './tables/lostWakeUp.js';
import { machineBytes } from './tables/machineBytes.js';
import { machines } from './tables/machines.js';
import { opening } from './tables/opening.js';
import { output } from './tables/output.js';
import { publish } from './tables/publish.js';
import { reads } from './tables/reads.js';
import { replay } from './tables/replay.js';
import { restarted } from './tables/restarted.js';
import { stalled } from './tables/stalled.js';
import { standstill } from './tables/standstill.js';
import { waiters } from './tables/waiters.js';
import { waitMemory } from './tables/waitMemory.js';
import { waitRate } from './tables/waitRate.js';

/** Every bench, in the order of the page. */
export const benches: readonly Bench[] = [
  publish,
  waiters,
  stalled,
  consume,
  consumeMemory,
  iterate,
  waitMemory,
  waitRate,
  reads,
  lostWakeUp,
  create,
  deletion,
  standstill,
  idleMemory,
  idleProcessor,
  durable,
  replay,
  behind,
  opening,
  copies,
  output,
  exec,
  door,
  doorWake,
  doorMemory,
  httpEvents,
  httpEventsMemory,
  httpReads,
  httpLog,
  httpLatency,
  httpWaits,
  httpWaitEvents,
  restarted,
  before,
  machines,
  machineBytes,
];

/** Finds a bench by its name. */
export function benchOf(name: string): Bench {
  const bench = benches.find((known) => known.name === name);
  if (bench !== undefined) return bench;
  const names = benches.map((known) => known.name);
  throw new Error(`no bench is called ${name}; there are ${names.join(', ')}`);
}
