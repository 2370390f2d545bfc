import type { Session } from './bench.js';

/** What is timed: an action that can be repeated. */
export interface Timed {
  readonly check: Session['check'];
  /** Does it so many times. */
  run(times: number): void | Promise<void>;
  readonly close?: Session['close'];
  /** How often it is done in a sample. @defaultValue as often as takes `sampleMs` */
  readonly times?: number;
  /** @defaultValue 50 */
  readonly sampleMs?: number;
}

/** Until what is called here and there is compiled too: one that is not yet costs two to four times as much. */
const warmMs = 500;

/** A session whose samples are nanoseconds per action. */
export function timed({ check, run, close, times, sampleMs = 50 }: Timed): Session {
  let batch = times;

  const timeOf = async (count: number): Promise<number> => {
    const startedAt = performance.now();
    const work = run(count);
    if (work !== undefined) await work;
    return performance.now() - startedAt;
  };

  /** Doubles until a batch takes long enough for the clock, and goes on until the code is warm. */
  const calibrate = async (): Promise<number> => {
    let count = 0.5;
    let ms = 0;
    let spentMs = 0;
    while (ms < sampleMs / 2 || spentMs < warmMs) {
      if (ms < sampleMs / 2) count *= 2;
      ms = await timeOf(count);
      spentMs += ms;
    }
    return Math.max(1, Math.round((count * sampleMs) / ms));
  };

  return {
    check,
    sample: async () => {
      batch ??= await calibrate();
      return ((await timeOf(batch)) / batch) * 1e6;
    },
    ...(close === undefined ? {} : { close }),
  };
}
