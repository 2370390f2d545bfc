import type { Instance, State } from 'rx-instances';
import type { ChannelBus } from './channelBus.js';

/** What hypeman's wait works with. */
export interface HypemanWait {
  readonly bus: ChannelBus;
  /** What its poll asks; `undefined` for an instance that is not found. */
  read(): Instance | undefined;
  /** hypeman's is 60,000. */
  readonly timeoutMs?: number;
  /** hypeman's is 5,000. */
  readonly pollMs?: number;
}

/** How its wait ended. */
export interface HypemanOutcome {
  readonly state: State | 'not found';
  readonly via: 'snapshot' | 'event' | 'poll' | 'deadline';
}

const deadEnds: readonly State[] = ['Unknown', 'Stopped', 'Standby', 'Shutdown', 'Paused'];

/**
 * Re-tells the published algorithm of hypeman (`lib/instances/wait.go` since its change #189) in our own words: subscribes to
 * the bus, then judges the snapshot that its caller had read before, then hears events and polls.
 */
export function hypemanWait(
  { bus, read, timeoutMs = 60_000, pollMs = 5_000 }: HypemanWait,
  snapshot: Instance,
  target: State,
): Promise<HypemanOutcome> {
  const channel = bus.subscribe();
  let latest: HypemanOutcome['state'] = snapshot.state;

  return new Promise((resolve) => {
    const end = (via: HypemanOutcome['via'], state = latest): void => {
      clearInterval(ticker);
      clearTimeout(deadline);
      channel.close();
      resolve({ state, via });
    };

    const judge = (state: State, via: HypemanOutcome['via']): void => {
      latest = state;
      if (state === target || deadEnds.includes(state)) end(via);
    };

    const look = (via: HypemanOutcome['via']): void => {
      const found = read();
      if (found === undefined) end(via, 'not found');
      else judge(found.state, via);
    };

    const hear = async (): Promise<void> => {
      for (let event = await channel.receive(); event !== undefined; event = await channel.receive()) {
        if (event.instanceId !== snapshot.id) continue;
        if (event.action === 'delete') end('event', 'not found');
        else if (event.instance !== undefined) judge(event.instance.state, 'event');
      }
    };

    const ticker = setInterval(look, pollMs, 'poll');
    const deadline = setTimeout(() => {
      look('deadline');
      end('deadline');
    }, timeoutMs);
    judge(snapshot.state, 'snapshot');
    void hear();
  });
}
