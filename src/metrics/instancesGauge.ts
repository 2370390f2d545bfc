import { Gauge } from 'prom-client';
import { catchError, EMPTY, lastValueFrom, type Observable } from 'rxjs';
import type { Instance } from '../lifecycle/instance.js';
import { states } from '../lifecycle/state.js';
import type { Named } from './named.js';

/**
 * Tells how many instances there are by driver and state; every state of a driver that has been seen, also at 0.
 *
 * The table is counted when it is scraped, at a cost linear in its length. Counting along with the events would need a
 * second table, which can go wrong, and would charge every event for what is looked at twice a minute.
 */
export function instancesGauge(named: Named, list: () => Observable<readonly Instance[]>): void {
  const drivers = new Set<string>();
  new Gauge({
    ...named('instances'),
    help: 'Current number of instances by driver and state',
    labelNames: ['driver', 'state'],
    async collect() {
      // A manager that is closed lists nothing any more: the numbers stay.
      const instances = await lastValueFrom(list().pipe(catchError(() => EMPTY)), {
        defaultValue: undefined,
      });
      if (instances === undefined) return;
      for (const { spec } of instances) drivers.add(spec.driver);
      for (const driver of drivers) for (const state of states) this.set({ driver, state }, 0);
      for (const { state, spec } of instances) this.inc({ driver: spec.driver, state });
    },
  });
}
