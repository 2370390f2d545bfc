import { noop } from 'rxjs';
import type { DropReason } from './buffering.js';

/** How long a queue is, and was at most. */
export interface QueueDepth {
  readonly size: number;
  readonly highWater: number;
}

/** Records what becomes of the values of queues, for the statistics. */
export interface QueueRecorder {
  /** A queue begins; what is returned is called when it ends. */
  opened(queue: QueueDepth): () => void;
  dropped(reason: DropReason, count: number): void;
  lagged(): void;
}

/** Records nothing. */
export const noRecorder: QueueRecorder = { opened: () => noop, dropped: noop, lagged: noop };
