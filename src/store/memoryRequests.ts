import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { type LogSpan, type Retention, sequenceFor, withoutOldRequests } from './logSpan.js';
import type { AskedRequest, ConcludedRequest, RequestOutcome } from './store.js';

/** The requests that are remembered without a disk. */
export interface MemoryRequests {
  /** Remembers a request; `isTold` where the last event has the outcome too. Gives what is kept then. */
  keep(span: LogSpan, request: AskedRequest, outcome: RequestOutcome, isTold: boolean): LogSpan;
  /** Forgets what need not be remembered. */
  shorten(span: LogSpan): LogSpan;
  find(by: string, requestId: string): ConcludedRequest | undefined;
}

interface Remembered extends ConcludedRequest {
  readonly sequence: number;
  readonly bytes: number;
}

/** What a request takes beside its outcome. */
const bytesBesides = 400;

/** Creates {@link MemoryRequests}. */
export function createMemoryRequests(retention: Retention): MemoryRequests {
  const byPlace = new Map<number, Remembered>();
  const places = new Map<string, number>();

  const at = (place: number): Remembered => byPlace.get(place) as Remembered;

  const shorten = (span: LogSpan): LogSpan =>
    withoutOldRequests(
      span,
      retention,
      Infinity,
      (place) => at(place).sequence,
      (place) => {
        const { by, requestId, bytes } = at(place);
        byPlace.delete(place);
        if (places.get(nameOf(by, requestId)) === place) places.delete(nameOf(by, requestId));
        return bytes;
      },
    );

  return {
    keep: (span, { by, requestId, fingerprint }, outcome, isTold) => {
      const { oldest, next } = span.requests;
      const sequence = sequenceFor(span, isTold);
      const bytes = bytesBesides + (isTold ? 0 : JSON.stringify(outcome).length);
      if (!('error' in outcome)) deepFreeze(outcome);
      byPlace.set(next, { by, requestId, fingerprint, outcome, sequence, bytes });
      places.set(nameOf(by, requestId), next);
      return shorten({ ...span, bytes: span.bytes + bytes, requests: { oldest, next: next + 1 } });
    },
    shorten,
    find: (by, requestId) => {
      const place = places.get(nameOf(by, requestId));
      if (place === undefined) return undefined;
      const { fingerprint, outcome } = at(place);
      return { by, requestId, fingerprint, outcome };
    },
  };
}

/** A name has no slash in its first part. */
const nameOf = (by: string, requestId: string): string => `${by}/${requestId}`;
