import * as fc from 'fast-check';
import { type Observable, of, Subject } from 'rxjs';
import type { SubscriberLagged } from '../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import { iterateQueue } from '../../src/streams/boundedIterable.js';
import { mergeMapQueue } from '../../src/streams/boundedMergeMap.js';
import type { Buffering, Lag, Overflow, WorkBuffering } from '../../src/streams/buffering.js';
import { type ConsumerStats, createConsumers } from '../../src/streams/consumers.js';
import { latestByInstance } from '../../src/streams/eventOptions.js';
import { unpausable } from '../../src/streams/feed.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import { queueSettings, workSettings } from '../../src/streams/queueSettings.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';

/** A stream and its one subscriber: over a bus, or over a Subject that emits it everything. */
interface Wiring {
  consume(
    project: (event: LifecycleEvent) => Observable<number>,
    buffering: WorkBuffering<LifecycleEvent>,
  ): Observable<number>;
  iterate(buffering: Buffering<LifecycleEvent>): AsyncIterable<LifecycleEvent>;
  publish(event: LifecycleEvent): void;
  close(): void;
  stats(): ConsumerStats | undefined;
}

const overBus = (): Wiring => {
  const bus = createLifecycleBus();
  return {
    consume: (project, buffering) => bus.consume('app', project, buffering),
    iterate: (buffering) => bus.iterate('app', buffering),
    publish: bus.publish,
    close: bus.close,
    stats: () => bus.stats()['app'],
  };
};

/** Publishes one after another, as the bus does. */
const overSubject = (): Wiring => {
  const recorder = createConsumers().of('app');
  const events$ = new Subject<LifecycleEvent>();
  const pending: (LifecycleEvent | 'end')[] = [];
  let publishing = false;
  const put = (next: LifecycleEvent | 'end'): void => {
    if (pending.includes('end')) return;
    pending.push(next);
    if (publishing) return;
    publishing = true;
    for (const one of pending) {
      if (one === 'end') events$.complete();
      else events$.next(one);
    }
    if (!pending.includes('end')) pending.length = 0;
    publishing = false;
  };
  return {
    consume: (project, buffering) =>
      mergeMapQueue(
        { source: unpausable(events$), recorder },
        project,
        workSettings(project, { ...latestByInstance, ...buffering }),
      ),
    iterate: (buffering) =>
      iterateQueue(
        () => ({ source: unpausable(events$), recorder }),
        queueSettings({ ...latestByInstance, ...buffering }),
      ),
    publish: put,
    close: () => {
      put('end');
    },
    stats: () => recorder.stats(),
  };
};

/** Something that happens, or is done on hearing something. */
type Step =
  | { readonly kind: 'update' | 'delete'; readonly id: string }
  /** One of the works that run ends. */
  | { readonly kind: 'finish'; readonly which: number }
  | { readonly kind: 'read' | 'return' | 'close' };

const steps = (...kinds: readonly Step['kind'][]): fc.Arbitrary<Step> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    id: fc.constantFrom('a', 'b', 'c'),
    which: fc.nat(3),
  });

const some = (kinds: readonly Step['kind'][], maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof({ arbitrary: steps(...kinds), weight: 60 }, steps('close')), { maxLength });

const buffering = fc.record({
  capacity: fc.integer({ min: 1, max: 5 }),
  overflow: fc.constantFrom<Overflow>('dropNewest', 'dropNewest', 'dropOldest', 'latest', 'fail'),
});

/** A wiring under way: what is done to it, and all that can be seen of it. */
class Play {
  readonly log: string[] = [];
  readonly #wiring: Wiring;
  readonly #running: Subject<number>[] = [];
  readonly #reads: Promise<unknown>[] = [];
  readonly #deeds: IterableIterator<Step>;
  #iterator: AsyncIterator<LifecycleEvent> | undefined;
  #sequence = 0;

  /** On each lag, and each beginning of a work, one of the deeds is done. */
  constructor(wiring: Wiring, deeds: readonly Step[]) {
    this.#wiring = wiring;
    this.#deeds = deeds.values();
  }

  /** Works: some end at once, the others when they are made to. */
  consume(buffering: WorkBuffering<LifecycleEvent>, isQuick: readonly boolean[]): void {
    const project = ({ sequence }: LifecycleEvent): Observable<number> => {
      this.log.push(`begin ${String(sequence)}`);
      const work$ = isQuick[sequence] === true ? of(sequence) : this.#begun();
      this.#react();
      return work$;
    };
    this.#wiring.consume(project, this.#telling(buffering)).subscribe({
      next: (result) => this.log.push(`result ${String(result)}`),
      error: (error: unknown) => this.log.push(failureText(error)),
      complete: () => this.log.push('end'),
    });
  }

  iterate(buffering: Buffering<LifecycleEvent>): void {
    this.#iterator = this.#wiring.iterate(this.#telling(buffering))[Symbol.asyncIterator]();
  }

  act(step: Step): void {
    switch (step.kind) {
      case 'finish': {
        const [work$] = this.#running.splice(step.which % (this.#running.length + 1), 1);
        work$?.next(-1);
        work$?.complete();
        break;
      }
      case 'read':
        this.#read();
        break;
      case 'return':
        void this.#iterator?.return?.();
        break;
      case 'close':
        this.#wiring.close();
        break;
      case 'update':
      case 'delete':
        this.#sequence += 1;
        this.#wiring.publish(
          step.kind === 'delete'
            ? aDelete(this.#sequence, step.id)
            : anUpdate(this.#sequence, { id: step.id }),
        );
    }
  }

  /** Notes what the statistics tell. */
  readOnce(): void {
    const { maxQueueDepth, highWater, dropped, lagged } = this.#wiring.stats() as ConsumerStats;
    this.log.push(JSON.stringify({ maxQueueDepth, highWater, dropped, lagged }));
  }

  /** The stream ends, then all that is left is worked on or read. */
  async end(): Promise<readonly string[]> {
    this.#wiring.close();
    while (this.#running.length > 0) this.act({ kind: 'finish', which: 0 });
    for (let count = 0; count < 8; count += 1) this.#read();
    await Promise.all(this.#reads);
    this.readOnce();
    return this.log;
  }

  #telling<B extends Buffering<LifecycleEvent>>(buffering: B): B {
    const onLag = ({ missed, from, to }: Lag<LifecycleEvent>): void => {
      this.log.push(`lost ${String(from.sequence)}..${String(to.sequence)} (${String(missed)})`);
      this.#react();
    };
    return { ...buffering, onLag };
  }

  #begun(): Observable<number> {
    const work$ = new Subject<number>();
    this.#running.push(work$);
    return work$;
  }

  #react(): void {
    const deed = this.#deeds.next();
    if (deed.done !== true) this.act(deed.value);
  }

  #read(): void {
    if (this.#iterator === undefined) return;
    this.#reads.push(
      this.#iterator.next().then(
        (result) => this.log.push(result.done === true ? 'end' : `read ${String(result.value.sequence)}`),
        (error: unknown) => this.log.push(failureText(error)),
      ),
    );
  }
}

const failureText = (error: unknown): string => {
  const { _tag, missed } = error as SubscriberLagged;
  return `${_tag} (${String(missed)})`;
};

test('consume does what boundedMergeMap does over a Subject that emits it everything', async () => {
  const concurrency = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant(Infinity));
  const kinds = ['update', 'update', 'delete', 'finish'] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.record({ buffering, concurrency }),
      some(kinds, 80),
      some(kinds, 30),
      fc.array(fc.boolean(), { maxLength: 80 }),
      async ({ buffering, concurrency }, steps, deeds, isQuick) => {
        const play = (wiring: Wiring): Promise<readonly string[]> => {
          const one = new Play(wiring, deeds);
          one.consume({ ...buffering, concurrency }, isQuick);
          for (const step of steps) {
            one.act(step);
            one.readOnce();
          }
          return one.end();
        };
        expect(await play(overBus())).toEqual(await play(overSubject()));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('iterate does what boundedIterable does over a Subject that emits it everything', async () => {
  const kinds = ['update', 'update', 'update', 'delete', 'read', 'read', 'read', 'return'] as const;
  await fc.assert(
    fc.asyncProperty(
      buffering,
      some(kinds, 80),
      some(['update', 'delete', 'read'], 20),
      async (buffering, steps, deeds) => {
        const play = async (wiring: Wiring): Promise<readonly string[]> => {
          const one = new Play(wiring, deeds);
          one.iterate(buffering);
          for (const [index, step] of steps.entries()) {
            one.act(step);
            one.readOnce();
            // Some reads are heard of before the next step, and some are not.
            if (index % 3 === 0) await Promise.resolve();
          }
          return one.end();
        };
        expect(await play(overBus())).toEqual(await play(overSubject()));
      },
    ),
    { numRuns: 500 },
  );
});
