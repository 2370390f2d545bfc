import type { Instance, Lag, LifecycleEvent, Overflow } from 'rx-instances';
import { defer, delay, of, Subscription } from 'rxjs';
import { pause, type World } from './world.js';

/** One that reads the stream through a queue, and whose books have to balance. */
interface Account {
  readonly consumer: string;
  seen: number;
  missed: number;
  /** Events that were published while it listened; set when it has failed, else what the witness has heard since. */
  offered: number | undefined;
}

/** All that listen during one round. */
export interface Readers {
  /** Waits until nothing waits in their queues any more. */
  settled(): Promise<void>;
  /** Tells what does not add up. */
  audit(): void;
  leave(): void;
}

const policies: readonly Overflow[] = ['dropNewest', 'dropOldest', 'latest', 'fail'];
const throwers = 3;

/** Lets consumers under every policy, iterators, watchers, plain and throwing subscribers listen. */
export function listen(world: World): Readers {
  const { manager, witness, random, tally, broken } = world;
  const heardBefore = witness.count();
  const statsBefore = manager.stats();
  const subscriptions = new Subscription();
  const accounts: Account[] = [];
  const iterators: AsyncIterator<LifecycleEvent>[] = [];
  const table = new Map<string, Instance>();
  let hasLeft = false;

  const open = (consumer: string): Account => {
    const account: Account = { consumer, seen: 0, missed: 0, offered: undefined };
    accounts.push(account);
    return account;
  };

  const lagOf =
    (account: Account) =>
    ({ missed }: Lag<LifecycleEvent>): void => {
      account.missed += missed;
    };

  const consume = (overflow: Overflow): void => {
    const account = open(`soak_consume_${overflow.toLowerCase()}`);
    const work = () =>
      defer(() => {
        account.seen += 1;
        const ms = random.below(6);
        return ms === 0 ? of(0) : of(0).pipe(delay(ms));
      });
    const capacity = 1 + random.below(32);
    const buffering = { capacity, overflow, concurrency: 1 + random.below(3), onLag: lagOf(account) };
    const consumed = manager.consume(account.consumer, work, buffering).subscribe({
      error: (error: unknown) => {
        account.offered = witness.count() - heardBefore;
        account.missed = failedSince(account.consumer);
        if (String(error).startsWith('SubscriberLagged') && overflow === 'fail') return;
        broken(`${account.consumer} failed with ${String(error)}`);
      },
    });
    subscriptions.add(consumed);
  };

  const failedSince = (consumer: string): number =>
    (manager.stats()[consumer]?.dropped.failed ?? 0) - (statsBefore[consumer]?.dropped.failed ?? 0);

  const read = async (iterator: AsyncIterator<LifecycleEvent>, account: Account): Promise<void> => {
    for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
      account.seen += 1;
      if (random.chance(0.3)) await pause(random.below(6));
    }
  };

  const iterate = (overflow: Overflow): void => {
    const account = open(`soak_iterate_${overflow.toLowerCase()}`);
    const buffering = { capacity: 1 + random.below(32), overflow, onLag: lagOf(account) };
    const iterator = manager.iterate(account.consumer, buffering)[Symbol.asyncIterator]();
    iterators.push(iterator);
    read(iterator, account).catch((error: unknown) => {
      broken(`${account.consumer} failed with ${String(error)}`);
    });
  };

  const watch = (): void => {
    const watching = manager.watch('soak_watch', { capacity: 1 + random.below(16) }).subscribe((change) => {
      switch (change.kind) {
        case 'snapshot':
          table.clear();
          for (const found of change.instances) table.set(found.id, found);
          break;
        case 'upsert':
          table.set(change.instance.id, change.instance);
          break;
        case 'removed':
          table.delete(change.instanceId);
          break;
        case 'closing':
      }
    });
    subscriptions.add(watching);
  };

  const throwLater = (): void => {
    let left = 1 + random.below(50);
    const throwing = manager.events('soak_throw').subscribe(() => {
      left -= 1;
      if (left === 0) throw new Error('thrown by a subscriber, as was to be tried');
      if (left < 0) broken('a subscriber that had thrown was told again');
    });
    subscriptions.add(throwing);
  };

  for (const policy of policies) consume(policy);
  for (const policy of policies.slice(0, 3)) iterate(policy);
  watch();
  for (let index = 0; index < throwers; index += 1) throwLater();

  const depth = (): number =>
    Math.max(...accounts.map(({ consumer }) => manager.stats()[consumer]?.maxQueueDepth ?? 0));

  const isSame = (one: ReadonlyMap<string, Instance>, other: ReadonlyMap<string, Instance>): boolean =>
    one.size === other.size && [...one].every(([id, { revision }]) => other.get(id)?.revision === revision);

  return {
    settled: async () => {
      for (let looks = 0; looks < 500 && depth() > 0; looks += 1) await pause(10);
      // What was taken from a queue last is worked on for some milliseconds more.
      await pause(50);
    },
    audit: () => {
      const heard = witness.count() - heardBefore;
      for (const { consumer, seen, missed, offered = heard } of accounts) {
        if (seen + missed !== offered) {
          broken(
            `${consumer}: ${String(seen)} seen and ${String(missed)} missed are not ${String(offered)} sent`,
          );
        }
        tally.lost += missed;
        const { dropped } = manager.stats()[consumer] ?? {};
        const before = statsBefore[consumer]?.dropped;
        const counted = sum(dropped) - sum(before);
        if (counted !== missed) {
          broken(`${consumer}: ${String(missed)} were missed, and ${String(counted)} counted as dropped`);
        }
      }
      if (!isSame(table, witness.table)) broken('what watch tells is not what the events tell');
    },
    leave: () => {
      if (hasLeft) return;
      hasLeft = true;
      subscriptions.unsubscribe();
      for (const iterator of iterators) void iterator.return?.();
    },
  };
}

const sum = (dropped: Readonly<Record<string, number>> | undefined): number =>
  Object.values(dropped ?? {}).reduce((total, count) => total + count, 0);
