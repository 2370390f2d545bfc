import { createId } from '@paralleldrive/cuid2';
import { catchError, defer, finalize, type Observable, of, tap, throwError } from 'rxjs';
import { InstanceNotFound, isInstanceError, ManagerClosed } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import { type InstanceAction, transition } from '../lifecycle/state.js';
import type { KeyedQueue } from '../streams/keyedQueue.js';
import type { Measurement } from './measurement.js';
import type { InstanceTable } from './instanceTable.js';
import { invalidState } from './invalidState.js';
import { stopwatch } from './stopwatch.js';

/** How verbs get their turn. */
export interface Turns {
  readonly queue: Pick<KeyedQueue, 'run'>;
  /** Fails with {@link ManagerClosed} when the manager is closed. */
  whileOpen<T>(work: () => Observable<T>): Observable<T>;
  /** Runs a verb in the queue of an id and measures it, waiting included. */
  inTurn<T>(verb: string, id: string, task: () => Observable<T>): Observable<T>;
  /** Runs a verb in the queue of an instance. */
  onInstance<T>(verb: string, idOrName: string, task: (instance: Instance) => Observable<T>): Observable<T>;
  /** Runs a verb on the instance that is `expected`, where the transition table allows it; where there is nothing to do, it stays as it is. */
  moving(
    action: InstanceAction,
    idOrName: string,
    expected: (instance: Instance) => Instance,
    task: (instance: Instance) => Observable<Instance>,
  ): Observable<Instance>;
  /** Makes an instance in the queue of its new id, under a name that nobody else can take meanwhile. */
  making(verb: string, name: string, task: (id: string) => Observable<Instance>): Observable<Instance>;
  /**
   * Runs a verb on the instance that has a name, or is being made under it, in the queue of that one. Where there is none, or it is gone by
   * then, makes one.
   */
  onNamed(
    verb: string,
    name: string,
    task: (instance: Instance) => Observable<Instance>,
    make: (id: string) => Observable<Instance>,
  ): Observable<Instance>;
  /** Makes an instance that takes name and place of another, of which the queue is held: nobody can take the name between. */
  inPlaceOf(instance: Instance, make: (id: string) => Observable<Instance>): Observable<Instance>;
  /** The same turns, with something around what is done in each. */
  around(wrap: <T>(task: () => Observable<T>) => Observable<T>): Turns;
}

/** Creates the {@link Turns} of a manager. */
export function createTurns(
  queue: Pick<KeyedQueue, 'run'>,
  table: InstanceTable,
  isOpen: () => boolean,
  measure: (measurement: Measurement) => void,
): Turns {
  const whileOpen: Turns['whileOpen'] = (work) =>
    defer(() => {
      if (!isOpen()) throw new ManagerClosed();
      return work();
    });

  const measuring = createMeasuring(whileOpen, measure);
  const newly = createMaking(queue, table, whileOpen);

  const inTurn: Turns['inTurn'] = (verb, id, task) =>
    defer(() => {
      const measured = measuring(verb);
      return queue.run(id, () => measured(task));
    });

  const onInstance: Turns['onInstance'] = (verb, idOrName, task) =>
    whileOpen(() => {
      const { id } = table.exactly(idOrName);
      return inTurn(verb, id, () => task(table.get(id)));
    });

  const onNamed: Turns['onNamed'] = (verb, name, task, make) =>
    defer(() => {
      const measured = measuring(verb);
      const attempt = (): Observable<Instance> => {
        const holder = table.holderOf(name);
        if (holder === undefined) return newly(name, make, measured);
        const gone = new InstanceNotFound({ idOrName: holder });
        return queue
          .run(holder, () => {
            const [instance] = table.view(holder).instances;
            if (instance === undefined) throw gone;
            return measured(() => task(instance));
          })
          .pipe(catchError((error: unknown) => (error === gone ? attempt() : throwError(() => error))));
      };
      return attempt();
    });

  return {
    queue,
    whileOpen,
    inTurn,
    onInstance,

    moving: (action, idOrName, expected, task) =>
      onInstance(action, idOrName, (found) => {
        const instance = expected(found);
        const { kind } = transition(action, instance.state);
        if (kind === 'refused') throw invalidState(instance, action);
        return kind === 'noop' ? of(instance) : task(instance);
      }),

    around: (wrap) =>
      createTurns({ run: (key, task) => queue.run(key, () => wrap(task)) }, table, isOpen, measure),

    making: (verb, name, task) => defer(() => newly(name, task, measuring(verb))),
    onNamed,
    inPlaceOf: ({ id, name }, make) => newly(name, make, whileOpen, id),
  };
}

/** Creates what measures a verb from now to its end. */
const createMeasuring =
  (whileOpen: Turns['whileOpen'], measure: (measurement: Measurement) => void) =>
  (verb: string): Turns['whileOpen'] => {
    const seconds = stopwatch();
    const end = (result: string): void => {
      measure({ kind: 'verb', verb, result, seconds: seconds() });
    };
    return (work) =>
      whileOpen(work).pipe(
        tap({
          complete: () => {
            end('ok');
          },
          error: (error: unknown) => {
            end(tagOf(error));
          },
        }),
      );
  };

/** Creates what makes an instance in the queue of its new id, in which nobody is before it. */
const createMaking =
  (queue: Turns['queue'], table: InstanceTable, whileOpen: Turns['whileOpen']) =>
  (
    name: string,
    make: (id: string) => Observable<Instance>,
    measured = whileOpen,
    insteadOf?: string,
  ): Observable<Instance> =>
    defer(() => {
      const id = createId();
      const release = (): void => {
        table.release(name, id);
      };
      return queue.run(id, () =>
        measured(() => {
          table.reserve(name, id, insteadOf);
          // Before the end is told, by which the queue is left: who waited for it looks who has the name.
          return defer(() => make(id)).pipe(tap({ error: release, complete: release }), finalize(release));
        }),
      );
    });

/** An error that is none of ours counts as `Error`, so that the results stay few. */
export const tagOf = (error: unknown): string => (isInstanceError(error) ? error._tag : 'Error');
