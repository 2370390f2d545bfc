import type { LifecycleEvent } from '../lifecycle/event.js';
import { KeyedListeners } from './keyedListeners.js';
import { PausedListeners } from './pausedListeners.js';

/** The Subject that every lifecycle event is published on. */
export class EventSubject {
  /** Listeners of every event, and by id of an instance. */
  readonly listeners = new KeyedListeners<LifecycleEvent>();
  /** Listeners of the first event of an instance that is still to be created, by its id or name. */
  readonly creationListeners = new KeyedListeners<LifecycleEvent>();
  readonly paused = new PausedListeners<LifecycleEvent>();
  /** Published by a listener during a publish, and still to be emitted. */
  readonly #pending: LifecycleEvent[] = [];
  #isPublishing = false;
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Emits to every listener. Called by one of them it emits once the event at hand has gone to all, so that all see one order. */
  publish(event: LifecycleEvent): void {
    if (this.#isClosed) return;
    if (this.#isPublishing) {
      this.#pending.push(event);
      return;
    }
    this.#isPublishing = true;
    this.#emit(event);
    if (this.#pending.length > 0) {
      // Goes on to the events that are put in meanwhile.
      for (const next of this.#pending) this.#emit(next);
      this.#pending.length = 0;
    }
    this.#isPublishing = false;
    // Closed by a listener meanwhile.
    if (this.isClosed) this.#complete();
  }

  /** Completes every listener, after the events published so far. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isPublishing) this.#complete();
  }

  #emit(event: LifecycleEvent): void {
    this.paused.count(event);
    this.listeners.emit(event, event.instanceId);
    if (event.action !== 'create' && event.action !== 'fork') return;
    this.creationListeners.emit(event, event.instanceId);
    this.creationListeners.emit(event, event.instance.name);
  }

  #complete(): void {
    // Those that are paused first: one that resumes as others complete would come too late to be completed.
    this.paused.complete();
    this.listeners.complete();
    this.creationListeners.complete();
  }
}
