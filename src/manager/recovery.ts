import { catchError, defer, map, type Observable, of, take, tap, throwIfEmpty } from 'rxjs';
import type { Instance } from '../lifecycle/instance.js';
import type { Workshop } from './verbs.js';

/**
 * Takes over the machine that an instance had when the manager before this one let go of it. One that can't be found has
 * ended, and nobody saw how.
 */
export function recover(
  { driverOf, homeOf, machines, records, logger }: Workshop,
  instance: Instance,
): Observable<Instance> {
  const { id, name, spec, handle } = instance;
  if (handle === undefined) return of(instance);
  return defer(() => driverOf(spec).adopt({ instanceId: id, name, spec, home: homeOf(id) }, handle)).pipe(
    take(1),
    throwIfEmpty(() => new Error('the driver gave no machine')),
    tap((machine) => {
      const held = machines.hold(id, machine);
      if (instance.state === 'Running') held.ready = true;
    }),
    map(() => instance),
    catchError((error: unknown) => {
      logger.debug({ instanceId: id, err: error }, 'a machine could not be found again');
      return records.ended('exit', instance, { code: null, signal: null });
    }),
  );
}
