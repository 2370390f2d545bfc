import { type Listener, Listeners } from './listeners.js';

/** All who listen: to everything, or to what has one key. Telling costs nothing to those who listen to another key. */
export class Audience<T> {
  readonly #toAll = new Listeners<T>();
  readonly #toOne = new Map<string, Listeners<T>>();

  /** Takes one in, who hears from the next value on. */
  join(listener: Listener<T>, key?: string): void {
    if (key === undefined) {
      this.#toAll.add(listener);
      return;
    }
    const listeners = this.#toOne.get(key) ?? new Listeners();
    listeners.add(listener);
    this.#toOne.set(key, listeners);
  }

  /** Lets one go, who joined under this key. */
  leave(listener: Listener<T>, key?: string): void {
    if (key === undefined) {
      this.#toAll.remove(listener);
      return;
    }
    const listeners = this.#toOne.get(key);
    listeners?.remove(listener);
    if (listeners?.size === 0) this.#toOne.delete(key);
  }

  tell(value: T, key: string): void {
    this.#toAll.tell(value);
    this.#toOne.get(key)?.tell(value);
  }

  /** Tells all the end. */
  complete(): void {
    this.#toAll.complete();
    for (const listeners of this.#toOne.values()) listeners.complete();
  }
}
