import { type Observable, of, type Subscription } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { State } from '../../src/lifecycle/state.js';
import { Audience } from '../../src/streams/audience.js';
import { ContainedObservable } from '../../src/streams/containedObservable.js';
import { look } from '../../src/streams/look.js';
import type { WaitOptions } from '../../src/streams/waitOptions.js';
import { type WaitEnd, type WaitListener, type WaitOutcome, Waits } from '../../src/streams/waits.js';
import { anInstance, anUpdate } from './lifecycleEvents.js';

/** A table of instances, all `Initializing` from the beginning, and those who wait for them. */
export const waitingRoom = () => {
  const audience = new Audience<LifecycleEvent>();
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
      hear: (id, listener: WaitListener) => {
        listening += 1;
        audience.join(listener, id);
        return undefined;
      },
      leave: (id, listener) => {
        listening -= 1;
        audience.leave(listener, id);
      },
      known: (id, tell) => look(() => read(id), tell),
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
    audience,
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
      audience.tell(anUpdate(revision, { id, state }), id);
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
