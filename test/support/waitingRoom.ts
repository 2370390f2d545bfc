import { type Observable, of, type Subscription } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { State } from '../../src/lifecycle/state.js';
import { KeyedListeners } from '../../src/streams/keyedListeners.js';
import { ContainedObservable } from '../../src/streams/containedObservable.js';
import { readOnce } from '../../src/streams/readOnce.js';
import type { WaitOptions } from '../../src/streams/waitOptions.js';
import { type WaitEnd, type WaitListener, type WaitOutcome, Waits } from '../../src/streams/waits.js';
import { anInstance, anUpdate } from './lifecycleEvents.js';

/** A table of instances, all `Initializing` from the beginning, and those who wait for them. */
export const waitingRoom = () => {
  const listeners = new KeyedListeners<LifecycleEvent>();
  const table = new Map<string, Instance>();
  const ends: WaitEnd[] = [];
  const threw: unknown[] = [];
  let listening = 0;
  let reads = 0;
  let revision = 1;
  const read = (id: string): Observable<Instance> => {
    reads += 1;
    return of(table.get(id) ?? anInstance({ id, state: 'Initializing' }));
  };
  const waits = new Waits(
    {
      addListener: (id, listener: WaitListener) => {
        listening += 1;
        listeners.add(listener, id);
        return undefined;
      },
      removeListener: (id, listener) => {
        listening -= 1;
        listeners.remove(listener, id);
      },
      known: (id, callback) => readOnce(() => read(id), callback),
      truth: read,
    },
    (end) => ends.push(end),
  );
  const wait$ = (
    id: string,
    target: State | readonly State[],
    options: WaitOptions = {},
  ): Observable<WaitOutcome> =>
    new ContainedObservable(
      (observer, subscription) => waits.begin(observer, subscription, id, target, options),
      (error) => threw.push(error),
    );
  return {
    waits,
    wait$,
    listeners,
    ends,
    threw,
    listening: (): number => listening,
    reads: (): number => reads,
    underWay: (): number => [...waits.deadlines].length,
    set: (id: string, state: State): void => {
      revision += 1;
      table.set(id, anInstance({ id, state, revision }));
    },
    tell: (id: string, state: State): void => {
      revision += 1;
      table.set(id, anInstance({ id, state, revision }));
      listeners.emit(anUpdate(revision, { id, state }), id);
    },
    wait: (
      id: string,
      target: State | readonly State[],
      options: WaitOptions = {},
      onEnd: (how: string) => void = () => undefined,
    ): Subscription => {
      return wait$(id, target, options).subscribe({
        next: ({ state, via, timedOut }) => {
          onEnd(`${state} via ${via}${timedOut ? ', timed out' : ''}`);
        },
        error: (error: unknown) => {
          onEnd((error as { readonly _tag?: string })._tag ?? String(error));
        },
      });
    },
  };
};

export type WaitingRoom = ReturnType<typeof waitingRoom>;
