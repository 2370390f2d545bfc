import type { Instance, InstanceManager, LifecycleEvent, State } from 'rx-instances';

/** Hears every event, and holds each against those before it. */
export interface Witness {
  /** Instances as the events tell them. */
  readonly table: ReadonlyMap<string, Instance>;
  /** Events so far. */
  count(): number;
  /** Every id, and every pid, that was ever told. */
  readonly ids: ReadonlySet<string>;
  readonly pids: ReadonlySet<number>;
  /** Whether the stream has completed. */
  hasEnded(): boolean;
}

/** Subscribes a plain subscriber that checks what it is told. */
export function createWitness(
  manager: InstanceManager,
  tally: { events: number },
  broken: (what: string) => void,
): Witness {
  const table = new Map<string, Instance>();
  const ids = new Set<string>();
  const pids = new Set<number>();
  let count = 0;
  let last = 0;
  let hasEnded = false;

  const hear = (event: LifecycleEvent): void => {
    const { sequence, instanceId, instance, action, previousState } = event;
    const known = table.get(instanceId);
    count += 1;
    tally.events += 1;
    ids.add(instanceId);
    if (typeof instance?.handle?.pid === 'number') pids.add(instance.handle.pid);

    if (sequence !== last + 1) broken(`event ${String(sequence)} came after ${String(last)}`);
    last = sequence;
    if (!Object.isFrozen(event) || !Object.isFrozen(instance ?? event)) {
      broken(`event ${String(sequence)} can be changed`);
    }
    const before: State | undefined = known?.state;
    if (previousState !== before) {
      const states = `${String(previousState)}, but it was ${String(before)}`;
      broken(`event ${String(sequence)}, ${action}: its previous state is ${states}`);
    }
    if (instance !== undefined && instance.revision !== (known?.revision ?? 0) + 1) {
      const revisions = `${String(instance.revision)} after ${String(known?.revision)}`;
      broken(`event ${String(sequence)}, ${action}: its revision is ${revisions}`);
    }
    if (instance === undefined) table.delete(instanceId);
    else table.set(instanceId, instance);
  };

  manager.events('soak_witness').subscribe({
    next: hear,
    complete: () => {
      hasEnded = true;
    },
  });
  return { table, ids, pids, count: () => count, hasEnded: () => hasEnded };
}
