import { decodeOrThrow } from '../codecs/decode.js';
import { text } from '../codecs/scalars.js';
import { TooManyConsumers } from '../lifecycle/errors.js';
import type { DropReason } from './buffering.js';
import type { QueueDepth, QueueRecorder } from './queueRecorder.js';

/** What one consumer's subscribers are doing, all together. */
export interface ConsumerStats {
  /** Subscriptions that are open now. */
  readonly subscribers: number;
  /** Length of the longest queue now. */
  readonly maxQueueDepth: number;
  /** Length that any of its queues ever had at most. */
  readonly highWater: number;
  /** Values lost so far, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** How often one of its subscribers was told of a lag, or was brought level by a new snapshot. */
  readonly lagged: number;
  /** How often one of its subscribers was given events from the log, until it had caught up. */
  readonly resumed: number;
  /** How often one of its subscribers threw, or left an error unhandled, and was unsubscribed for it. */
  readonly thrown: number;
  /**
   * How many events it is behind: those with which it is not done, or was not told of. Of a consumer that has been subscribed with `durable` since
   * the manager was opened, whether or not it is now; absent of others.
   */
  readonly behind?: number;
  /** Subscriptions that are open now and have a label, oldest first. Absent where there is none. */
  readonly labelled?: readonly LabelStats[];
}

/** What one subscriber with a label is doing. */
export interface LabelStats extends Pick<ConsumerStats, 'highWater' | 'dropped' | 'lagged'> {
  readonly label: string;
  /** Length of its queue now; 0 for one that is told within the publish. */
  readonly queueDepth: number;
}

/** Consumer names that a manager knows at most, so that metric labels stay bounded. */
export const consumerLimit = 64;

/** The books on one consumer. */
export interface Consumer extends QueueRecorder {
  /** A subscriber came. */
  joined(): void;
  /** A subscriber went. */
  left(): void;
  /** A subscriber begins to read from the log. */
  resumed(): void;
  threw(): void;
  /** The books on one subscription, which are kept in these too. */
  labelled(label: string): Consumer;
  stats(): ConsumerStats;
}

/** The books on all consumers. */
export interface Consumers {
  /** @throws {@link InvalidRequest} for what is no name, {@link TooManyConsumers} for one name too many. */
  of(name: string): Consumer;
  stats(): Readonly<Record<string, ConsumerStats>>;
}

/** Creates the books on all consumers, those included that are known before they subscribe. @throws {@link InvalidRequest} */
export function createConsumers(known: readonly string[] = []): Consumers {
  const byName = new Map<string, Consumer>();

  const add = (name: string): Consumer => {
    decodeOrThrow(consumerName, name);
    if (byName.size === consumerLimit) throw new TooManyConsumers({ consumer: name, limit: consumerLimit });
    const consumer = createConsumer();
    byName.set(name, consumer);
    return consumer;
  };

  const of = (name: string): Consumer => byName.get(name) ?? add(name);

  for (const name of known) of(name);

  return {
    of,
    stats: () => Object.fromEntries([...byName].map(([name, consumer]) => [name, consumer.stats()])),
  };
}

const consumerName = text(
  'a consumer name (a lower-case letter, then lower-case letters, digits or underscores, 64 at most)',
  (name) => /^[a-z][a-z0-9_]{0,63}$/.test(name),
);

function createConsumer(): Consumer {
  const queues = new Set<QueueDepth>();
  const labels = new Set<() => LabelStats>();
  const dropped: Record<DropReason, number> = { buffer_full: 0, overwritten: 0, folded: 0, failed: 0 };
  let subscribers = 0;
  let highWater = 0;
  let lagged = 0;
  let resumed = 0;
  let thrown = 0;

  const labelled = (label: string): Consumer => {
    const own = createConsumer();
    const stats = (): LabelStats => {
      const { maxQueueDepth: queueDepth, ...its } = own.stats();
      return { label, queueDepth, highWater: its.highWater, dropped: its.dropped, lagged: its.lagged };
    };
    return {
      ...consumer,
      joined: () => {
        consumer.joined();
        labels.add(stats);
      },
      left: () => {
        consumer.left();
        labels.delete(stats);
      },
      opened: (queue) => {
        const closings = [own.opened(queue), consumer.opened(queue)];
        return () => {
          for (const close of closings) close();
        };
      },
      dropped: (reason, count) => {
        own.dropped(reason, count);
        consumer.dropped(reason, count);
      },
      lagged: () => {
        own.lagged();
        consumer.lagged();
      },
    };
  };

  const consumer: Consumer = {
    joined: () => {
      subscribers += 1;
    },
    left: () => {
      subscribers -= 1;
    },
    opened: (queue) => {
      queues.add(queue);
      return () => {
        queues.delete(queue);
        highWater = Math.max(highWater, queue.highWater);
      };
    },
    dropped: (reason, count) => {
      dropped[reason] += count;
    },
    lagged: () => {
      lagged += 1;
    },
    resumed: () => {
      resumed += 1;
    },
    threw: () => {
      thrown += 1;
    },
    labelled,
    stats: () => ({
      subscribers,
      maxQueueDepth: [...queues].reduce((deepest, { size }) => Math.max(deepest, size), 0),
      highWater: [...queues].reduce((highest, queue) => Math.max(highest, queue.highWater), highWater),
      dropped: { ...dropped },
      lagged,
      resumed,
      thrown,
      ...(labels.size > 0 && { labelled: [...labels].map((stats) => stats()) }),
    }),
  };
  return consumer;
}
