import assert from 'node:assert/strict';
import { createEffectReader, type Policy } from './effectReader.js';
import { createBusSource, createSubjectSource } from './ourSource.js';
import type { Reader } from './reader.js';

/** One thing that is done, to both sides. A reader that a number does not name is found by counting round. */
export type Operation =
  | { readonly kind: 'publish' | 'join' | 'turn' | 'close' }
  | { readonly kind: 'take' | 'leave'; readonly reader: number };

/** What is done, and to what. */
export interface Play {
  readonly source: 'bus' | 'Subject';
  readonly policy: Policy;
  readonly capacity: number;
  readonly operations: readonly Operation[];
}

interface Pair {
  readonly ours: Reader;
  readonly theirs: ReturnType<typeof createEffectReader>;
  readonly ourTakes: ReturnType<Reader['take']>[];
  readonly theirTakes: ReturnType<Reader['take']>[];
  /** Values published while it was there. */
  offered: number;
  missed: number;
  hasLeft: boolean;
}

/**
 * Does the same to a source of ours with many readers and to Effect, where each reader has a `PubSub` for itself: each of
 * ours has to read what one reads who is alone. In the end the source is closed and everybody reads to the end, and what
 * each of ours read and was told to have missed has to be together all that was published.
 */
export async function compare({ source, policy, capacity, operations }: Play): Promise<void> {
  const shared = source === 'bus' ? createBusSource() : createSubjectSource();
  const pairs: Pair[] = [];
  let published = 0;
  let isClosed = false;

  const join = (): void => {
    const pair: Pair = {
      ours: shared.join({ capacity, overflow: policy }, (missed) => {
        pair.missed += missed;
      }),
      theirs: createEffectReader(policy, capacity),
      ourTakes: [],
      theirTakes: [],
      offered: 0,
      missed: 0,
      hasLeft: false,
    };
    if (isClosed) pair.theirs.close();
    pairs.push(pair);
  };

  const publish = (): void => {
    published += 1;
    shared.publish(published);
    if (isClosed) return;
    for (const { theirs, hasLeft } of pairs) if (!hasLeft) theirs.offer(published);
    for (const pair of pairs) pair.offered += 1;
  };

  const take = ({ ours, theirs, ourTakes, theirTakes }: Pair): void => {
    ourTakes.push(ours.take());
    theirTakes.push(theirs.take());
  };

  const leave = (pair: Pair): void => {
    pair.ours.leave();
    pair.theirs.leave();
    pair.hasLeft = true;
  };

  const close = (): void => {
    shared.close();
    isClosed = true;
    for (const { theirs } of pairs) theirs.close();
  };

  join();
  for (const operation of operations) {
    const pair = 'reader' in operation ? (pairs[operation.reader % pairs.length] as Pair) : undefined;
    switch (operation.kind) {
      case 'publish':
        publish();
        break;
      case 'join':
        join();
        break;
      case 'turn':
        await new Promise((turn) => setImmediate(turn));
        break;
      case 'close':
        close();
        break;
      case 'take':
        if (pair !== undefined) take(pair);
        break;
      case 'leave':
        if (pair !== undefined) leave(pair);
    }
  }
  close();
  for (const pair of pairs) for (let left = 0; left <= capacity; left += 1) take(pair);

  for (const { ourTakes, theirTakes, offered, missed, hasLeft } of pairs) {
    const read = await Promise.all(ourTakes);
    assert.deepEqual(read, await Promise.all(theirTakes), 'ours reads what one reads who is alone');
    const seen = read.filter((value) => value !== 'end').length;
    if (!hasLeft) assert.equal(seen + missed, offered, 'what it read and what it missed is all there was');
  }
}
