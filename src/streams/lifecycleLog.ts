import type { Observable } from 'rxjs';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';

/** What a bus needs to resume: where its events are kept, in the order in which they are published. */
export interface LifecycleLog {
  /** Place of the last event; with sequence 0 when there is none yet. */
  head(): Cursor;
  /**
   * Emits once: the events after this place, oldest first, at most `limit`. None means that there are none yet. An event
   * has to be there before it is published. Fails with {@link CursorExpired} when the log can't go on from there.
   */
  read(after: Cursor, limit: number): Observable<{ readonly events: readonly LifecycleEvent[] }>;
  /** Emits once: the sequence of the last event with which this consumer is done, or `undefined`. */
  loadCursor(consumer: string): Observable<number | undefined>;
  /** Remembers the sequence of the last event with which this consumer is done, and completes. */
  saveCursor(consumer: string, sequence: number): Observable<never>;
}
