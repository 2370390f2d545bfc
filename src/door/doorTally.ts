import type { DoorStats, Refusal } from '../instances/doorStats.js';

/** Counts that go on while the door is open. */
export type DoorTally = {
  -readonly [
    Count in 'open' | 'waiting' | 'heldBytes' | 'accepted' | 'woken' | 'failedWakes'
  ]: DoorStats[Count];
} & { readonly refused: Record<Refusal, number> };

export const newTally = (): DoorTally => ({
  ...{ open: 0, waiting: 0, heldBytes: 0, accepted: 0, woken: 0, failedWakes: 0 },
  refused: {
    ...{ backing_off: 0, closing: 0, limit: 0, not_running: 0 },
    ...{ timeout: 0, unreachable: 0, wake_failed: 0 },
  },
});
