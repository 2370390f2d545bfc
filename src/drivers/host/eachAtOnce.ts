import type { Slots } from './slots.js';

/**
 * Does work for each entry, as many at a time as slots let in; whoever else shares them gets some between. Rejects with the first
 * failure, once nothing of the work goes on any more; after it nothing more is begun.
 *
 * @param width - entries of this list that may be at work or wait at a time
 */
export async function eachAtOnce<T>(
  entries: readonly T[],
  slots: Slots,
  width: number,
  work: (entry: T) => Promise<unknown>,
): Promise<void> {
  const rest = entries.values();
  const failures: unknown[] = [];

  const worker = async (): Promise<void> => {
    for (const entry of rest) {
      await slots.enter();
      try {
        if (failures.length === 0) await work(entry);
      } catch (error) {
        failures.push(error);
      } finally {
        slots.leave();
      }
    }
  };

  await Promise.all(Array.from({ length: Math.min(width, entries.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
