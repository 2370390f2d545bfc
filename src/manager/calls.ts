import type { Observable } from 'rxjs';
import type { ChangeAndLaunchOptions } from '../instances/callOptions.js';
import { causes } from '../lifecycle/cause.js';
import { Conflict } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { untilAborted } from '../streams/untilAborted.js';
import { type CallKind, causeOf, decodeCallOptions } from './callOptions.js';
import { type CausedVerbs, createCausedVerbs, type SharedContext } from './causedVerbs.js';
import type { Conclusion } from './conclusion.js';
import { requestFingerprint } from './requestFingerprint.js';
import { createRequestIds } from './requestIds.js';
import type { Turns } from './turns.js';

/** The verbs of one call, with the cause and the bounds that it was given, and their turns: what has its turn has begun. */
export interface CalledVerbs extends CausedVerbs, Omit<Turns, 'queue' | 'whileOpen' | 'around'> {
  /** The instance, if it has the revision that the call expects. @throws {@link Conflict} */
  expected(instance: Instance): Instance;
}

/** What is asked for, as it was handed in: the verb, and all that it is called with but for the options. */
export type Asked = readonly [verb: string, ...what: readonly unknown[]];

/** Makes a verb of an application out of what is to be done, by the options with which it is called. */
export type Calls = <T extends Instance | Snapshot>(
  kind: CallKind,
  asked: Asked,
  options: unknown,
  work: (called: CalledVerbs) => Observable<T>,
) => Observable<T>;

/** Creates {@link Calls}; `sized` refuses requests that are too large. */
export function createCalls(shared: SharedContext, turns: Turns, sized: <T>(request: T) => T): Calls {
  const requestIds = createRequestIds(shared.store);
  const verbsOf = (options: ChangeAndLaunchOptions, conclusion?: Conclusion): CausedVerbs =>
    createCausedVerbs(shared, causeOf(options), options.timeoutMs, conclusion);
  const usual = {
    ...createCausedVerbs(shared, causes.caller),
    ...turns,
    expected: (instance: Instance): Instance => instance,
  };

  return (kind, asked, given, work) =>
    turns.whileOpen(() => {
      if (given === undefined) return work(usual);
      const options = decodeCallOptions(kind, given);
      const { requestId, by = causes.caller.by, expectedRevision, signal } = options;
      const expected = (instance: Instance): Instance => {
        const { id, revision } = instance;
        if (expectedRevision === undefined || expectedRevision === revision) return instance;
        throw new Conflict({ instanceId: id, revision, expectedRevision });
      };
      if (requestId === undefined) {
        return work({ ...verbsOf(options), ...turns, expected }).pipe(untilAborted(signal));
      }
      const fingerprint = requestFingerprint([...asked.map((each) => sized(each)), expectedRevision]);
      return requestIds
        .once({ by, requestId, fingerprint }, asked[0], (under) => {
          const inTheirTurn = turns.around((task) => {
            under.began();
            return under.concluded(task);
          });
          return work({ ...verbsOf(options, under), ...inTheirTurn, expected });
        })
        .pipe(untilAborted(signal));
    });
}
