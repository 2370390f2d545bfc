/** Lets so many go on at a time; the others wait, in the order in which they came. */
export interface Slots {
  /** Whoever is in leaves once. */
  enter(): Promise<void>;
  leave(): void;
  /** Takes as many as are free at this moment, and no more than that; each of them leaves. */
  take(most: number): number;
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Creates {@link Slots}. */
export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = [];
  let free = count;

  const enter = (): Promise<void> => {
    if (free === 0) return new Promise((next) => waiting.push(next));
    free -= 1;
    return entered;
  };

  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };

  return {
    enter,
    leave,
    take: (most) => {
      const taken = Math.min(free, most);
      free -= taken;
      return taken;
    },
    run: async (work) => {
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}

const entered = Promise.resolve();
