import { type Actor, pause, type World } from './world.js';

const signals = ['SIGKILL', 'SIGTERM', 'SIGSTOP', 'SIGCONT'] as const;

/** Plays a machine in memory as if something happened to it. */
function playMemory({ memory, random }: World, id: string): void {
  const machine = memory.machine(id);
  const what = [
    () => {
      machine.exit({ code: random.below(3), signal: null });
    },
    () => {
      machine.lose('nobody knows');
    },
    machine.halt,
    machine.resume,
    machine.ready,
    () => {
      machine.print(random.chance(0.5) ? 'ready' : 'a line');
    },
  ];
  random.pick(what)?.();
}

function signal({ random, tally }: World, pid: number): void {
  try {
    process.kill(pid, random.pick(signals));
    tally.kills += 1;
  } catch {
    // It has ended by itself meanwhile.
  }
}

/** Does to machines what nobody asked the manager for. */
export const meddle: Actor = async (world) => {
  const { witness, random, memory } = world;
  while (!world.isOver) {
    await pause(random.below(20));
    const found = random.pick([...witness.table.values()]);
    if (found?.spec.driver === 'memory' && memory.running().includes(found.id)) playMemory(world, found.id);
    const pid = found?.handle?.pid;
    // What has a pid and stands still may have ended, and its pid be another's.
    if (pid !== undefined && found?.state === 'Running') signal(world, pid);
  }
};
