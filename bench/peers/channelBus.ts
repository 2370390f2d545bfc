import type { LifecycleEvent } from 'rx-instances';

/** A subscriber's own buffer. */
export interface Channel {
  /** The next event, or `undefined` once the channel is closed and empty. */
  receive(): Promise<LifecycleEvent | undefined>;
  close(): void;
}

/** One bus for all events of all instances. */
export interface ChannelBus {
  subscribe(): Channel;
  notify(event: LifecycleEvent): void;
  /** Events that found a buffer full. */
  dropped(): number;
}

/**
 * Re-tells the published algorithm of hypeman's bus (`lib/instances/lifecycle_events.go` since its change #189) in our own
 * words: every subscriber has a buffer, a send never waits, and an event for which there is no room is lost.
 */
export function createChannelBus(bufferSize = 256): ChannelBus {
  const sends = new Set<(event: LifecycleEvent) => void>();
  let dropped = 0;

  return {
    dropped: () => dropped,
    notify: (event) => {
      for (const send of [...sends]) send(event);
    },
    subscribe: () => {
      const buffer: LifecycleEvent[] = [];
      let isClosed = false;
      let receiver: ((event: LifecycleEvent | undefined) => void) | undefined;

      const hand = (event: LifecycleEvent | undefined): void => {
        const waiting = receiver;
        receiver = undefined;
        waiting?.(event);
      };

      const send = (event: LifecycleEvent): void => {
        if (receiver !== undefined) hand(event);
        else if (buffer.length < bufferSize) buffer.push(event);
        else dropped += 1;
      };

      sends.add(send);
      return {
        receive: () =>
          new Promise((resolve) => {
            if (buffer.length > 0) resolve(buffer.shift());
            else if (isClosed) resolve(undefined);
            else receiver = resolve;
          }),
        close: () => {
          isClosed = true;
          sends.delete(send);
          hand(undefined);
        },
      };
    },
  };
}
