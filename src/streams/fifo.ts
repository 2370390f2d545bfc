interface Link<T> {
  readonly value: T;
  next: Link<T> | undefined;
}

/** Values first in, first out, at the same cost however many wait: an array moves all that are left for each taken. */
export class Fifo<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  push(value: T): void {
    const link: Link<T> = { value, next: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
  }

  /** Takes the first; `undefined` when none is there. */
  shift(): T | undefined {
    const first = this.#first;
    this.#first = first?.next;
    if (this.#first === undefined) this.#last = undefined;
    return first?.value;
  }
}
