import { boundedIterable, type Buffering, createLifecycleBus, type LifecycleEvent } from 'rx-instances';
import { Subject } from 'rxjs';
import { event } from '../events.js';
import type { Reader } from './reader.js';

/** A source that many read, each through a bounded queue of its own. */
export interface OurSource {
  publish(value: number): void;
  /** Ends it for all. */
  close(): void;
  /** A new reader; `onMissed` is told how many it lost, as it learns of it. */
  join(
    buffering: Pick<Buffering<unknown>, 'capacity' | 'overflow'>,
    onMissed: (missed: number) => void,
  ): Reader;
}

function readerOf<T>(iterable: AsyncIterable<T>, valueOf: (value: T) => number, close: () => void): Reader {
  const iterator = iterable[Symbol.asyncIterator]();
  return {
    take: async () => {
      const result = await iterator.next();
      return result.done === true ? 'end' : valueOf(result.value);
    },
    leave: () => void iterator.return?.(),
    close,
  };
}

/** The lifecycle bus, read by `iterate`. */
export function createBusSource(): OurSource {
  const bus = createLifecycleBus();
  return {
    publish: (value) => {
      bus.publish(event(value, 'any'));
    },
    close: bus.close,
    join: (buffering, onMissed) => {
      const onLag = ({ missed }: { readonly missed: number }): void => {
        onMissed(missed);
      };
      const events = bus.iterate('oracle', { ...buffering, onLag });
      return readerOf(events, ({ sequence }: LifecycleEvent) => sequence, bus.close);
    },
  };
}

/** A Subject, read by `boundedIterable`. */
export function createSubjectSource(): OurSource {
  const values$ = new Subject<number>();
  const close = (): void => {
    values$.complete();
  };
  return {
    publish: (value) => {
      values$.next(value);
    },
    close,
    join: (buffering, onMissed) => {
      const onLag = ({ missed }: { readonly missed: number }): void => {
        onMissed(missed);
      };
      return readerOf(boundedIterable(values$, { ...buffering, onLag }), (value) => value, close);
    },
  };
}
