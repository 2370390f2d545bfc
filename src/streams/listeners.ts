/** Somebody who is told values; he must not throw. */
export interface Listener<T> {
  next(value: T): void;
  /** Called as it is, instead of `next`, where there are many; may throw. */
  readonly call?: (value: T) => void;
  /** Told what `call` threw; there where that is. */
  threw?(error: unknown): void;
  /** The end: nothing comes any more. */
  complete(): void;
  /** His place in the list; the list's own. */
  place?: number | undefined;
}

/**
 * Tells values to many. This loop is what a publish costs, so it is as short as can be: no copy is made, whoever goes leaves
 * a gap that is closed when half of the places are gaps, and a function that can be called instead of a listener stands
 * in a list beside him, since of ten thousand listeners each has to be waited for until memory gives it. To come and to
 * go costs the same among a million as among two. Most lists have one listener and never more: he needs no array.
 */
export class Listeners<T> {
  #only: Listener<T> | undefined;
  #places: (Listener<T> | undefined)[] = none;
  #calls: Listener<T>['call'][] = none;
  /** Who left while the list was held: he may still throw on his way out. */
  #leaving: Listener<T>[] = none;
  #size = 0;
  /** How many places are told, while the list is held. */
  #held: number | undefined;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Adds one, who hears from the next value on. */
  add(listener: Listener<T>): void {
    if (this.#size === 0 && this.#held === undefined) this.#only = listener;
    else this.#append(listener);
    this.#size += 1;
  }

  /** Takes one out, who hears nothing any more; tells whether he was in the list. */
  remove(listener: Listener<T>): boolean {
    if (this.#only === listener) {
      this.#only = undefined;
      if (this.#held !== undefined) this.#held = 0;
    } else if (this.#places[listener.place as number] === listener) {
      this.#places[listener.place as number] = undefined;
      this.#calls[listener.place as number] = undefined;
      if (this.#held !== undefined && listener.call !== undefined) {
        if (this.#leaving === none) this.#leaving = [];
        this.#leaving.push(listener);
      }
    } else return false;
    this.#size -= 1;
    this.#closeGaps();
    return true;
  }

  /** Holds the list for the next {@link emit}: who comes from now on hears from the value after that on. */
  hold(): void {
    this.#held = this.#only === undefined ? this.#places.length : 1;
  }

  /** Tells a value to all who are in the list since it was held. */
  emit(value: T): void {
    if (this.#only === undefined) this.#emitToPlaces(value, this.#held as number);
    else this.#only.next(value);
    this.#held = undefined;
    this.#leaving = none;
    this.#closeGaps();
  }

  /** Tells all who are in the list the end, and forgets them. */
  complete(): void {
    const all = this.#only === undefined ? [...this.#places] : [this.#only];
    // Not to whoever was taken out by one who heard of it.
    for (const listener of all) if (listener !== undefined && this.remove(listener)) listener.complete();
  }

  #emitToPlaces(value: T, length: number): void {
    const [places, calls] = [this.#places, this.#calls];
    for (let place = 0; place < length; place += 1) {
      const call = calls[place];
      if (call === undefined) {
        places[place]?.next(value);
        continue;
      }
      try {
        call(value);
      } catch (error) {
        const thrower = places[place] ?? this.#leaving.find((leaving) => leaving.place === place);
        (thrower as Required<Listener<T>>).threw(error);
      }
    }
  }

  #append(listener: Listener<T>): void {
    if (this.#only !== undefined) {
      this.#layOut([this.#only]);
      this.#only = undefined;
    }
    if (this.#places === none) this.#layOut([]);
    listener.place = this.#places.length;
    this.#places.push(listener);
    this.#calls.push(listener.call);
  }

  #closeGaps(): void {
    if (this.#held !== undefined || this.#size * 2 > this.#places.length) return;
    if (this.#size > 0) this.#layOut(this.#places.filter((listener) => listener !== undefined));
    else {
      this.#places = none;
      this.#calls = none;
    }
  }

  #layOut(listeners: Listener<T>[]): void {
    this.#places = listeners;
    this.#calls = listeners.map(({ call }) => call);
    listeners.forEach((listener, place) => {
      listener.place = place;
    });
  }
}

/** Every list of which there is nothing; never written to. */
const none: never[] = [];
