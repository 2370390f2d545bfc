import * as Effect from 'effect/Effect';
import * as Exit from 'effect/Exit';
import * as PubSub from 'effect/PubSub';
import * as Scope from 'effect/Scope';
import type { Reader } from './reader.js';

/** The policies that Effect has too, under its names for them. */
export type Policy = 'dropNewest' | 'dropOldest';

/** A reader with a `PubSub` of Effect for itself alone: how a queue of this policy and capacity has to behave. */
export function createEffectReader(
  policy: Policy,
  capacity: number,
): Reader & { offer(value: number): void } {
  const make = policy === 'dropNewest' ? PubSub.dropping : PubSub.sliding;
  const own = Effect.runSync(make<number>(capacity));
  const scope = Effect.runSync(Scope.make());
  const subscription = Effect.runSync(PubSub.subscribe(own).pipe(Scope.provide(scope)));
  /** What waited when the source ended; it is still read, which a PubSub that is shut down would not allow. */
  let rest: number[] | undefined;

  const end = (): void => {
    Effect.runFork(Scope.close(scope, Exit.void));
    Effect.runFork(PubSub.shutdown(own));
  };

  return {
    offer: (value) => {
      Effect.runSync(PubSub.publish(own, value));
    },
    take: () => {
      if (rest !== undefined) return Promise.resolve(rest.shift() ?? 'end');
      return Effect.runPromiseExit(PubSub.take(subscription)).then((exit) =>
        Exit.isSuccess(exit) ? exit.value : 'end',
      );
    },
    leave: () => {
      if (rest === undefined) end();
      rest = [];
    },
    close: () => {
      if (rest !== undefined) return;
      rest = Effect.runSync(PubSub.takeUpTo(subscription, capacity));
      end();
    },
  };
}
