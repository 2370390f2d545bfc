import type { Observable } from 'rxjs';
import type { ChangeAndLaunchOptions } from '../instances/callOptions.js';
import { causes } from '../lifecycle/cause.js';
import { Conflict } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import { untilAborted } from '../streams/untilAborted.js';
import { type CallKind, causeOf, decodeCallOptions } from './callOptions.js';
import { type CausedVerbs, createCausedVerbs, type SharedContext } from './causedVerbs.js';
import type { Turns } from './turns.js';

/** The verbs of one call, with the cause and the bounds that it was given. */
export interface CalledVerbs extends CausedVerbs {
  /** The instance, if it has the revision that the call expects. @throws {@link Conflict} */
  expected(instance: Instance): Instance;
}

/** Makes a verb of an application out of what is to be done, by the options with which it is called. */
export type Calls = <T>(
  kind: CallKind,
  options: unknown,
  work: (called: CalledVerbs) => Observable<T>,
) => Observable<T>;

/** Creates {@link Calls}. */
export function createCalls(shared: SharedContext, { whileOpen }: Pick<Turns, 'whileOpen'>): Calls {
  const verbsOf = (options: ChangeAndLaunchOptions): CausedVerbs =>
    createCausedVerbs(shared, causeOf(options), options.timeoutMs);
  const usual = createCausedVerbs(shared, causes.caller);

  return (kind, given, work) =>
    whileOpen(() => {
      if (given === undefined) return work({ ...usual, expected: (instance) => instance });
      const options = decodeCallOptions(kind, given);
      const expected = (instance: Instance): Instance => {
        const { id, revision } = instance;
        const { expectedRevision = revision } = options;
        if (expectedRevision !== revision) throw new Conflict({ instanceId: id, revision, expectedRevision });
        return instance;
      };
      return work({ ...verbsOf(options), expected }).pipe(untilAborted(options.signal));
    });
}
