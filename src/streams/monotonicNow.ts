import { asyncScheduler } from 'rxjs';

/** No clock of a computer is so far behind: a time before this is the virtual one of RxJS's TestScheduler, which begins at 0. */
const virtualUntil = Date.UTC(1990, 0);

/** Whether the time of RxJS is the virtual one of a TestScheduler. */
export const isVirtualTime = (): boolean => asyncScheduler.now() < virtualUntil;

/** Milliseconds on a clock that never jumps, whatever is done to the time of day; in virtual time, the virtual time. */
export function monotonicNow(): number {
  const now = asyncScheduler.now();
  return now < virtualUntil ? now : performance.now();
}
