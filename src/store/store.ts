import type { Observable } from 'rxjs';
import type { Change, LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';

/** Keeps the instances and the log of their events. */
export interface Store {
  /** Name of the event log. */
  readonly epoch: string;
  /** Reads what is kept: every instance, and the sequence of the last event. Emits once. */
  load(): Observable<Kept>;
  /**
   * Keeps a change and its event in one transaction and emits the event, deeply frozen, once both are kept. Events are
   * emitted in the order of their sequence, whatever the number of commits under way. An error means that nothing was kept.
   */
  commit(change: Change): Observable<LifecycleEvent>;
  /** Lets go of the store after what is under way. */
  close(): Observable<never>;
}

/** What a store holds at one moment. */
export interface Kept {
  readonly instances: readonly Instance[];
  readonly sequence: number;
}
