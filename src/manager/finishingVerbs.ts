import { defer, type Observable } from 'rxjs';
import { causes } from '../lifecycle/cause.js';
import { createCausedVerbs, type SharedContext } from './causedVerbs.js';
import { type Conclusion, createConclusion } from './conclusion.js';
import type { Intent } from './intents.js';
import type { Verbs } from './verbs.js';

/** By what a verb is finished that was cut off. */
export interface FinishingVerbs extends Pick<Conclusion, 'concluded'> {
  readonly verbs: Verbs;
}

/** Creates what makes {@link FinishingVerbs}: where it was a request with a name, what comes of it is remembered as that request's. */
export function createFinishing(shared: SharedContext): (intent: Intent) => FinishingVerbs {
  const { verbs: usual } = createCausedVerbs(shared, causes.recovery);
  const unnamed = { verbs: usual, concluded: <T>(work: () => Observable<T>): Observable<T> => defer(work) };

  return ({ verb, request }) => {
    if (request === undefined) return unnamed;
    const conclusion = createConclusion(shared.store, request, verb);
    const cause = { ...causes.recovery, requestId: request.requestId };
    const { verbs } = createCausedVerbs(shared, cause, shared.launchTimeoutMs, conclusion);
    return { verbs, concluded: conclusion.concluded };
  };
}
