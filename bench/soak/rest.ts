import { getEventListeners } from 'node:events';
import { firstValueFrom } from 'rxjs';
import { handlesLeft, processesLeft } from './leftovers.js';
import type { Readers } from './readers.js';
import { settle } from './verbs.js';
import { pause, type World } from './world.js';

/** Looks again and again, for some seconds, until nothing is left; gives what is. */
async function leftAfterAWhile<T>(look: () => readonly T[]): Promise<readonly T[]> {
  let left = look();
  for (let looks = 0; looks < 500 && left.length > 0; looks += 1) {
    await pause(10);
    left = look();
  }
  return left;
}

/** Comes to rest: everything is worked off, then deleted, and nothing may be left of it. */
export async function rest(world: World, readers: Readers, shared: AbortSignal): Promise<void> {
  const { manager, memory, witness, broken } = world;
  world.isFaulty = false;

  await readers.settled();
  const listed = await firstValueFrom(manager.list());
  const isTold = listed.every((found) => witness.table.get(found.id) === found);
  if (listed.length !== witness.table.size || !isTold) broken('what is listed is not what the events tell');

  for (const { id } of listed) await settle(world, manager.delete(id));
  await readers.settled();
  readers.audit();
  readers.leave();
  if (witness.table.size > 0) broken(`${String(witness.table.size)} instances could not be deleted`);

  for (const [consumer, { subscribers }] of Object.entries(manager.stats())) {
    const open = consumer === 'soak_witness' ? 1 : 0;
    if (subscribers !== open) broken(`${consumer} has ${String(subscribers)} subscribers at rest`);
  }
  const listeners = getEventListeners(shared, 'abort').length;
  if (listeners > 0) broken(`${String(listeners)} listeners are left on a signal`);
  await nothingIsLeft(world);
  if (memory.homes().length > 0) broken(`${String(memory.homes().length)} homes are left in memory`);
  world.isFaulty = true;
}

/** Tells which machines and handles are left though there is no instance any more. */
export async function nothingIsLeft({ memory, witness, broken }: World): Promise<void> {
  const running = await leftAfterAWhile(memory.running);
  if (running.length > 0) broken(`${String(running.length)} machines are left in memory`);
  const processes = await leftAfterAWhile(() => processesLeft(witness.ids, witness.pids));
  if (processes.length > 0) broken(`processes ${processes.join(', ')} are left`);
  const handles = await leftAfterAWhile(handlesLeft);
  if (handles.length > 0)
    broken(`${String(handles.length)} handles are left: ${[...new Set(handles)].join(', ')}`);
}
