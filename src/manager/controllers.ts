import {
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  type Observable,
  of,
  retry,
  take,
  tap,
  timer,
} from 'rxjs';
import type { Controller, ControllerPort, RunningController } from '../instances/controller.js';
import type { InstanceStatus } from '../instances/instanceStatus.js';
import type { Logger } from '../instances/logger.js';
import { NotSupported } from '../lifecycle/errors.js';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Measurement } from './measurement.js';
import { tagOf } from './turns.js';

/** The controllers of a manager, at work. */
export interface Controllers {
  /** Runs them while it is subscribed. One that fails is opened again, after 1 s, then twice as long each time, 1 min at most. */
  readonly run$: Observable<never>;
  status(instance: Instance): InstanceStatus;
  /** Emits the instance once it is left alone for a time. @throws {@link NotSupported} where no controller can put anything off */
  hold(instance: Instance): Observable<Instance>;
  /** Emits where clients connect to for a port, nothing where no controller listens for it. */
  endpoint(instance: Instance, guest: number): Observable<Endpoint>;
}

const firstBackoffMs = 1_000;
const longestBackoffMs = 60_000;

/** Creates the {@link Controllers}. */
export function createControllers(
  controllers: readonly Controller[],
  portFor: (name: string) => ControllerPort,
  logger: Logger,
  measure: (measurement: Measurement) => void,
): Controllers {
  const running = new Map<string, RunningController>();

  const runOf = (controller: Controller): Observable<never> => {
    const { name } = controller;
    return defer(() => {
      const opened = controller.open(portFor(name));
      running.set(name, opened);
      return opened.decisions$;
    }).pipe(
      tap(({ verb, reason, error }) => {
        measure({
          kind: 'decision',
          controller: name,
          verb,
          reason,
          result: error === undefined ? 'ok' : tagOf(error),
        });
      }),
      finalize(() => running.delete(name)),
      retry({
        resetOnSuccess: true,
        delay: (err: unknown, failures) => {
          measure({ kind: 'controller_failed', controller: name });
          const backoffMs = Math.min(firstBackoffMs * 2 ** (failures - 1), longestBackoffMs);
          logger.warn({ controller: name, err, backoffMs }, 'a controller failed, and is opened again');
          return timer(backoffMs);
        },
      }),
      ignoreElements(),
    );
  };

  return {
    run$: merge(...controllers.map(runOf)),
    status: (instance) =>
      Object.assign({}, ...[...running.values()].map(({ status }) => status?.(instance))) as InstanceStatus,
    hold: (instance) =>
      defer(() => {
        const holding = [...running.values()].find(({ hold }) => hold !== undefined);
        if (holding?.hold === undefined) {
          const { driver } = instance.spec;
          throw new NotSupported({ driver, verb: 'hold', reason: 'no controller puts anything on standby' });
        }
        return concat(holding.hold(instance), of(instance));
      }),
    endpoint: (instance, guest) =>
      defer(() =>
        concat(...[...running.values()].map(({ endpoint }) => endpoint?.(instance, guest) ?? EMPTY)),
      ).pipe(take(1)),
  };
}
