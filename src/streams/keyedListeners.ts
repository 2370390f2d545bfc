import { SweptMap } from './sweptMap.js';
import { type Listener, Listeners } from './listeners.js';

/** Listeners of everything, and of what has one key. To emit costs nothing for those of other keys. */
export class KeyedListeners<T> {
  readonly #toAll = new Listeners<T>();
  readonly #toOne = new SweptMap<Listeners<T>>();

  /** Adds a listener, from the next value on. */
  add(listener: Listener<T>, key?: string): void {
    const listeners = key === undefined ? this.#toAll : this.#toOne.fill(key, createListeners);
    listeners.add(listener);
  }

  /** Removes a listener that was added with this key. */
  remove(listener: Listener<T>, key?: string): void {
    const listeners = key === undefined ? this.#toAll : this.#toOne.get(key);
    if (listeners?.remove(listener) === true && key !== undefined && listeners.isEmpty) this.#toOne.emptied();
  }

  emit(value: T, key: string): void {
    const listeners = this.#toOne.get(key);
    // Both first: what is added while one emits does not get this value from the other.
    this.#toAll.hold();
    listeners?.hold();
    this.#toAll.emit(value);
    listeners?.emit(value);
  }

  /** Completes all. */
  complete(): void {
    this.#toAll.complete();
    for (const listeners of this.#toOne.values()) listeners.complete();
  }
}

const createListeners = <T>(): Listeners<T> => new Listeners<T>();
