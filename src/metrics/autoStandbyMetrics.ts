import { Gauge } from 'prom-client';
import { catchError, EMPTY, from, lastValueFrom, mergeMap, type Observable, toArray } from 'rxjs';
import type { InstanceManager } from '../manager/instanceManager.js';
import type { AutoStandbyStatus } from '../instances/instanceStatus.js';
import type { Named } from './named.js';

const statuses: Readonly<Record<AutoStandbyStatus['status'], true>> = {
  ...{ unsupported: true, disabled: true, ineligible: true, active: true, idle_countdown: true },
  ...{ ready_for_standby: true, standby_requested: true, error: true },
};

/**
 * Tells how auto-standby stands with the instances that have it, and how many clients it counts. Both are read when they are scraped, by
 * the status of each.
 */
export function autoStandbyMetrics(named: Named, manager: Pick<InstanceManager, 'list' | 'status'>): void {
  const standings = (): Promise<readonly AutoStandbyStatus[] | undefined> =>
    lastValueFrom(read(manager), { defaultValue: undefined });

  new Gauge({
    ...named('auto_standby_instances'),
    help: 'Current number of instances with auto-standby by how it stands with them',
    labelNames: ['status'],
    async collect() {
      // A manager that is closed tells nothing any more: the numbers stay.
      const all = await standings();
      if (all === undefined) return;
      for (const status of Object.keys(statuses)) this.set({ status }, 0);
      for (const { status } of all) this.inc({ status });
    },
  });

  new Gauge({
    ...named('auto_standby_active_connections'),
    help: 'Current number of connections of clients that keep instances awake',
    async collect() {
      const all = await standings();
      if (all === undefined) return;
      this.set(all.reduce((sum, { activeConnections }) => sum + activeConnections, 0));
    },
  });
}

/** What is gone since it was listed is left out. Of instances of which no controller tells anything there is nothing to count. */
const read = ({
  list,
  status,
}: Pick<InstanceManager, 'list' | 'status'>): Observable<readonly AutoStandbyStatus[]> =>
  list({ hasFields: ['autoStandby'] }).pipe(
    mergeMap((instances) =>
      from(instances).pipe(
        mergeMap(({ id }) => status(id).pipe(catchError(() => EMPTY))),
        mergeMap(({ autoStandby }) => (autoStandby === undefined ? EMPTY : [autoStandby])),
        toArray(),
      ),
    ),
    catchError(() => EMPTY),
  );
