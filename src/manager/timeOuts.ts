import { EMPTY, mergeMap, type Observable, takeUntil } from 'rxjs';
import type { Instance } from '../lifecycle/instance.js';
import { createCausedVerbs, type SharedContext } from './causedVerbs.js';
import { type Deadline, isDue } from './deadlines.js';
import type { InstanceTable } from './instanceTable.js';
import type { Observations } from './observations.js';
import type { UntilKept } from './untilKept.js';

/** What stops instances whose time is over. */
export interface TimeOutTools {
  readonly shared: SharedContext;
  readonly table: InstanceTable;
  readonly untilKept: UntilKept;
  readonly refresh: Observations['refresh'];
  readonly closing$: Observable<void>;
}

/** Creates what stops an instance when a deadline of it has come, if it still has it then. */
export function createTimeOuts(tools: TimeOutTools): (instanceId: string, deadline: Deadline) => void {
  const { shared, table, untilKept, refresh, closing$ } = tools;

  return (instanceId, deadline) => {
    const isStill = (instance: Instance | undefined): instance is Instance =>
      instance !== undefined && isDue(instance, deadline);
    const timedOut = (instance: Instance): Observable<Instance> => {
      if (!isStill(instance)) return EMPTY;
      shared.logger.info({ instanceId, deadline }, 'the time of an instance is over: it is stopped');
      const cause = { by: 'deadline', reason: `${deadline.of}_timeout` };
      return createCausedVerbs(shared, cause).verbs.timeOut(instance, deadline.of);
    };
    const over$ = untilKept(instanceId, { deadline }, () => {
      const [instance] = table.view(instanceId).instances;
      if (!isStill(instance)) return EMPTY;
      // It may be ready, and nobody was told yet.
      return deadline.of === 'run' ? timedOut(instance) : refresh(instance).pipe(mergeMap(timedOut));
    });
    over$.pipe(takeUntil(closing$)).subscribe();
  };
}
