import * as E from 'fp-ts/lib/Either.js';
import { concat, defer, map, type Observable, switchMap, take, takeUntil, throwError } from 'rxjs';
import { decode } from '../codecs/decode.js';
import { wireChange } from '../codecs/wire/wireChange.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { ApiFailed, describeFault } from '../lifecycle/errors.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import { ContainedObservable, through } from '../streams/containedObservable.js';
import type { ManagerBus } from '../streams/lifecycleBus.js';
import type { TableView } from '../streams/tableThenChanges.js';
import type { Api } from './api.js';
import type { Followed, FollowedLog } from './followedLog.js';
import { again, Failure, told } from './retries.js';

/** Creates the streams of a log that is followed: those of its bus, and a table that the API tells. */
export function createRemoteStreams(api: Api, log: FollowedLog): Omit<LifecycleStreams, 'waitForState'> {
  const contained = <T>(consumer: string, source$: Observable<T>): Observable<T> =>
    new ContainedObservable(through(source$), (error) => {
      log.now.bus.threw(consumer, error);
    });

  /** A stream of the log that is followed when it is subscribed to; it can't go over to another without a gap. */
  const ofOneLog = <T>(consumer: string, make: (bus: ManagerBus) => Observable<T>): Observable<T> => {
    // What can't be understood is told at once.
    void make(log.now.bus);
    return contained(
      consumer,
      defer(() => make(log.now.bus).pipe(takeUntil(log.now.over$))),
    );
  };

  const readTable = (): Observable<TableView> => tableOf(api);

  return {
    events: (consumer, options) => ofOneLog(consumer, (bus) => bus.events(consumer, options)),
    consume: (consumer, project, options) =>
      ofOneLog(consumer, (bus) => bus.consume(consumer, project, options)),
    iterate: (consumer, options) => {
      log.now.bus.iterate(consumer, options);
      return {
        [Symbol.asyncIterator]: () => {
          const followed = log.now;
          const events = followed.bus.iterate(consumer, options)[Symbol.asyncIterator]();
          return endingWith(events, followed);
        },
      };
    },
    watch: (consumer, options) => {
      void log.now.bus.watch(consumer, readTable, options);
      const changes$ = log.followed$.pipe(switchMap(({ bus }) => bus.watch(consumer, readTable, options)));
      return contained(consumer, changes$);
    },
  };
}

const ended$ = throwError(
  () => new Failure(new ApiFailed({ reason: 'the table was cut off before it was there' }), true),
);

/** Emits the table as the API tells it now. */
const tableOf = (api: Api): Observable<TableView> =>
  concat(api.stream({ method: 'GET', path: '/instances?watch=true' }), ended$).pipe(
    map(({ data }) => {
      const decoded = decode(wireChange, data);
      if (E.isRight(decoded) && decoded.right.kind === 'snapshot') {
        const { instances, cursor } = deepFreeze(decoded.right);
        return { instances, ...cursor };
      }
      const faults = E.isLeft(decoded) ? decoded.left.map(describeFault).join('; ') : 'it is none';
      throw new Failure(
        new ApiFailed({ reason: `the table is not understood: ${faults}` }),
        E.isRight(decoded),
      );
    }),
    take(1),
    again(Infinity),
    told,
  );

/** Ends with the error of the log, where that is why there is no more. */
function endingWith(
  events: AsyncIterator<LifecycleEvent, unknown>,
  followed: Followed,
): AsyncIterator<LifecycleEvent> {
  const next = async (): Promise<IteratorResult<LifecycleEvent>> => {
    try {
      const result = await events.next();
      if (result.done !== true) return result;
    } catch (error) {
      throw (followed.failure ?? error) as Error;
    }
    if (followed.failure !== undefined) throw followed.failure as Error;
    return { done: true, value: undefined };
  };
  return {
    next,
    return: async () => {
      await events.return?.();
      return { done: true, value: undefined };
    },
  };
}
