/** What a {@link SweptMap} can hold. */
export interface Entry {
  /** Nobody needs it any more, until somebody gets it again. */
  readonly isEmpty: boolean;
}

/** Empty entries that are not worth a sweep. */
const fewEmpty = 16;

/**
 * Things by key, which come and go by the same keys again and again. What has become empty stays for a while: a Map takes
 * longer for a key each time that it is deleted and set again, until it is laid out anew.
 */
export class SweptMap<V extends Entry> {
  #entries = new Map<string, V>();
  #empty = 0;

  /** There is nothing in it, not even what has become empty. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** What there is under this key, empty or not. */
  get(key: string): V | undefined {
    // Not asked while there is none: a lookup costs as much as to tell somebody.
    return this.isEmpty ? undefined : this.#entries.get(key);
  }

  /** What there is under this key, to be filled now; made if there is nothing. */
  fill(key: string, make: () => V): V {
    const there = this.#entries.get(key);
    if (there === undefined) {
      const made = make();
      this.#entries.set(key, made);
      return made;
    }
    if (there.isEmpty) this.#empty -= 1;
    return there;
  }

  /** An entry has become empty. */
  emptied(): void {
    this.#empty += 1;
    if (this.#empty < this.#entries.size && this.#empty * 2 < this.#entries.size + fewEmpty) return;
    this.#entries = new Map([...this.#entries].filter(([, entry]) => !entry.isEmpty));
    this.#empty = 0;
  }

  values(): IterableIterator<V> {
    return this.#entries.values();
  }
}
