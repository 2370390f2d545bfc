import { type Observable, tap } from 'rxjs';
import type { Logger } from '../instances/logger.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import type { Instance } from '../lifecycle/instance.js';
import { ManagerClosed } from '../lifecycle/errors.js';
import { ContainedObservable } from '../streams/containedObservable.js';
import type { KeyedQueue } from '../streams/keyedQueue.js';
import type { ManagerBus } from '../streams/lifecycleBus.js';
import { createDecodeWait } from '../streams/waitOptions.js';
import { Waits } from '../streams/waits.js';
import type { InstanceTable } from './instanceTable.js';
import type { Measurement } from './measurement.js';
import type { Observations } from './observations.js';

/** What waits are put together of. */
export interface ManagerWaitsTools {
  readonly bus: ManagerBus;
  readonly table: InstanceTable;
  readonly queue: KeyedQueue;
  readonly refresh: Observations['refresh'];
  readonly logger: Logger;
  /** How long a wait may take at most, in milliseconds. */
  readonly maxWaitTimeoutMs: number;
  measure(measurement: Measurement): void;
}

/** The waits of a manager. */
export interface ManagerWaits {
  readonly waitForState: LifecycleStreams['waitForState'];
  /** Fails those that are under way, and all that come. */
  close(): void;
}

const consumer = 'wait_for_state';

/** Creates {@link ManagerWaits}: over the events of its bus and the instances of its table; a poll asks the driver. */
export function createManagerWaits(tools: ManagerWaitsTools): ManagerWaits {
  const { bus, table, queue, refresh, logger, measure } = tools;
  let isOpen = true;

  /** What a poll finds was told by no event. */
  const poll = (instanceId: string): Observable<Instance> =>
    queue.run(instanceId, () => {
      const known = table.get(instanceId);
      return refresh(known).pipe(
        tap((instance) => {
          if (instance === known) return;
          measure({ kind: 'found_by_poll', instanceId });
          const fields = { instanceId, from: known.state, to: instance.state };
          logger.debug(fields, 'a poll found what no event told');
        }),
      );
    });

  const waits = new Waits(
    {
      addListener: (instanceId, listener) => {
        bus.addListener(consumer, instanceId, listener);
        return undefined;
      },
      removeListener: (instanceId, listener) => {
        bus.removeListener(consumer, instanceId, listener);
      },
      known: (instanceId, callback) => {
        callback({ value: table.get(instanceId) });
        return undefined;
      },
      truth: poll,
      names: {
        idOf: (idOrName) => table.find(idOrName).id,
        addCreationListener: (idOrName, listener) => {
          bus.addCreationListener(consumer, idOrName, listener);
        },
        removeCreationListener: (idOrName, listener) => {
          bus.removeCreationListener(consumer, idOrName, listener);
        },
      },
    },
    (end) => {
      measure({ kind: 'wait', ...end });
    },
    createDecodeWait({
      ms: tools.maxWaitTimeoutMs,
      name: 'milliseconds, at most instances.max_wait_timeout',
    }),
  );

  return {
    waitForState: (idOrName, target, options = {}) =>
      new ContainedObservable(
        (observer, subscription) => {
          if (!isOpen) throw new ManagerClosed();
          return waits.begin(observer, subscription, idOrName, target, options);
        },
        (error) => {
          bus.threw(consumer, error);
        },
      ),
    close: () => {
      isOpen = false;
      waits.fail(new ManagerClosed());
    },
  };
}
