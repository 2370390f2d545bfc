import type { Observable } from 'rxjs';
import type { Cause } from '../lifecycle/cause.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Store } from '../store/store.js';
import type { Conclusion } from './conclusion.js';
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
  extends Omit<VerbContext, 'commit' | 'records'>, Pick<SnapshotVerbContext, 'snapshots' | 'folder'> {
  readonly store: Store;
  /** Keeps changes in the given store. @param store - the manager's, if not said otherwise */
  commitFor(cause: Cause, store?: Pick<Store, 'commit'>): Commit;
  /** How long a driver may take to launch a machine, in milliseconds; 0 is no bound. */
  readonly launchTimeoutMs: number;
  /** Removes what is left of a memory that nobody goes on from any more. */
  forgotten(instance: Instance): Observable<never>;
}

/** Makes {@link CausedVerbs}; with a conclusion, what they conclude is remembered by it. */
export function createCausedVerbs(
  shared: SharedContext,
  cause: Cause,
  launchTimeoutMs = shared.launchTimeoutMs,
  conclusion?: Conclusion,
): CausedVerbs {
  const commit = shared.commitFor(cause, conclusion?.store);
  const intents = conclusion === undefined ? shared.intents : shared.intents.for(conclusion.request);
  const records = createRecords(cause, commit, shared.machines, shared.now, shared.forgotten);
  const observations = createObservations(shared.machines, records);
  const context = { ...shared, intents, commit, records };
  const launches = createLaunches({ ...context, observations, launchTimeoutMs });
  const verbs = createVerbs(context, launches);
  const snapshotVerbs = createSnapshotVerbs({ ...context, verbs, launches });
  return { ...context, observations, verbs, snapshotVerbs };
}
