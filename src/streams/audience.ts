import { Directory } from './directory.js';
import { type Listener, Listeners } from './listeners.js';

/** All who listen: to everything, or to what has one key. Telling costs nothing to those who listen to another key. */
export class Audience<T> {
  readonly #toAll = new Listeners<T>();
  readonly #toOne = new Directory<Listeners<T>>();

  /** Takes one in, who hears from the next value on. */
  join(listener: Listener<T>, key?: string): void {
    const listeners = key === undefined ? this.#toAll : this.#toOne.fill(key, createListeners);
    listeners.add(listener);
  }

  /** Lets one go, who joined under this key. */
  leave(listener: Listener<T>, key?: string): void {
    const listeners = key === undefined ? this.#toAll : this.#toOne.get(key);
    if (listeners?.remove(listener) === true && key !== undefined && listeners.isEmpty) this.#toOne.emptied();
  }

  tell(value: T, key: string): void {
    const listeners = this.#toOne.get(key);
    // Both first: who comes while the one is told does not hear of it in the other.
    this.#toAll.hold();
    listeners?.hold();
    this.#toAll.tell(value);
    listeners?.tell(value);
  }

  /** Tells all the end. */
  complete(): void {
    this.#toAll.complete();
    for (const listeners of this.#toOne.values()) listeners.complete();
  }
}

const createListeners = <T>(): Listeners<T> => new Listeners<T>();
