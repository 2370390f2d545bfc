import { defer, finalize, mergeMap, NEVER, type Observable, of, ReplaySubject, share, tap } from 'rxjs';
import { found } from '../codecs/decode.js';
import { InvalidRequest } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import type { AskedRequest, RequestOutcome, Store } from '../store/store.js';
import { type Conclusion, createConclusion } from './conclusion.js';

/** Sees to it that what bears a request id is done once. */
export interface RequestIds {
  /**
   * Does the work of a request, or emits what the one before of this name came to: of one under way too, once it is done. Who
   * unsubscribes takes it from nobody else; before it has begun, the last one to go takes it back.
   *
   * Errors with {@link InvalidRequest} where the name stands for another request.
   */
  once<T extends Emitted>(request: AskedRequest, verb: string, work: Work<T>): Observable<T>;
}

/** A request that is being done. */
export interface RequestUnderWay extends Conclusion {
  /** What has its turn has begun. */
  began(): void;
}

type Work<T> = (under: RequestUnderWay) => Observable<T>;

/** What verbs emit. */
type Emitted = Instance | Snapshot;

interface UnderWay {
  readonly fingerprint: string;
  readonly outcome$: Observable<Emitted>;
}

/** Creates the {@link RequestIds} of a manager. */
export function createRequestIds(store: Store): RequestIds {
  const underWay = new Map<string, UnderWay>();

  const begin = (key: string, request: AskedRequest, verb: string, work: Work<Emitted>): UnderWay => {
    let hasBegun = false;
    const began = (): void => {
      hasBegun = true;
    };
    const over = (): void => {
      if (underWay.get(key) === entry) underWay.delete(key);
    };
    const outcome$ = store.loadRequest(request.by, request.requestId).pipe(
      mergeMap((known) => {
        if (known === undefined) return work({ ...createConclusion(store, request, verb), began });
        checkSame(request, known);
        return of(emittedBy(known.outcome));
      }),
      // Before that is told: who asks again when told asks anew, and where it was refused, it is tried anew.
      tap({ error: over, complete: over }),
      finalize(over),
      share({
        connector: () => new ReplaySubject(1),
        resetOnComplete: false,
        resetOnError: false,
        resetOnRefCountZero: () => (hasBegun ? NEVER : of('taken back')),
      }),
    );
    const entry = { fingerprint: request.fingerprint, outcome$ };
    underWay.set(key, entry);
    return entry;
  };

  return {
    once: <T extends Emitted>(request: AskedRequest, verb: string, work: Work<T>) =>
      defer(() => {
        const key = `${request.by}/${request.requestId}`;
        const entry = underWay.get(key) ?? begin(key, request, verb, work);
        checkSame(request, entry);
        // The fingerprint tells the verb, and with it what is emitted.
        return entry.outcome$ as Observable<T>;
      }),
  };
}

/** @throws {@link InvalidRequest} when the name stands for another request */
function checkSame({ requestId, fingerprint }: AskedRequest, known: Pick<UnderWay, 'fingerprint'>): void {
  if (known.fingerprint === fingerprint) return;
  const expected = 'an id by which nothing else was asked for';
  throw new InvalidRequest({ faults: [{ path: 'requestId', found: found(requestId), expected }] });
}

function emittedBy(outcome: RequestOutcome): Emitted {
  if ('error' in outcome) throw outcome.error;
  return 'instance' in outcome ? outcome.instance : outcome.snapshot;
}
