import type { Observable } from 'rxjs';
import type { Cause } from '../lifecycle/cause.js';
import type { Instance } from '../lifecycle/instance.js';
import { createLaunches } from './launches.js';
import { createObservations, type Observations } from './observations.js';
import { type Commit, createRecords } from './records.js';
import { createSnapshotVerbs, type SnapshotVerbContext, type SnapshotVerbs } from './snapshotVerbs.js';
import type { VerbContext } from './verbContext.js';
import { createVerbs, type Verbs } from './verbs.js';

/** What a manager does for one cause: every change that comes of it bears that cause. */
export interface CausedVerbs extends VerbContext {
  readonly observations: Observations;
  readonly verbs: Verbs;
  readonly snapshotVerbs: SnapshotVerbs;
}

/** What the verbs of every cause share. */
export interface SharedContext
  extends
    Omit<VerbContext, 'commit' | 'records'>,
    Pick<SnapshotVerbContext, 'store' | 'snapshots' | 'folder'> {
  commitFor(cause: Cause): Commit;
  /** How long a driver may take to launch a machine, in milliseconds; 0 is no bound. */
  readonly launchTimeoutMs: number;
  /** Removes what is left of a memory that nobody goes on from any more. */
  forgotten(instance: Instance): Observable<never>;
}

/** Makes {@link CausedVerbs}. */
export function createCausedVerbs(
  shared: SharedContext,
  cause: Cause,
  launchTimeoutMs = shared.launchTimeoutMs,
): CausedVerbs {
  const commit = shared.commitFor(cause);
  const records = createRecords(cause, commit, shared.machines, shared.now, shared.forgotten);
  const observations = createObservations(shared.machines, records);
  const context = { ...shared, commit, records };
  const launches = createLaunches({ ...context, observations, launchTimeoutMs });
  const verbs = createVerbs(context, launches);
  const snapshotVerbs = createSnapshotVerbs({ ...context, verbs, launches });
  return { ...context, observations, verbs, snapshotVerbs };
}
