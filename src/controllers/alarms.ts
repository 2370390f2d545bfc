import { asyncScheduler, type Subscription } from 'rxjs';

/** Times of the wall clock at which something is to be done, one for each key. */
export interface Alarms {
  /** Sets the alarm of a key, as Unix time in milliseconds, in the place of the one before; `undefined` takes it away. */
  set(key: string, at: number | undefined): void;
  /** Takes all away. */
  clear(): void;
}

/** Looked at so often, since a clock may have jumped while the timer ran. */
const longestMs = 60_000;

interface Alarm {
  readonly key: string;
  readonly at: number;
}

/**
 * Creates {@link Alarms}: one timer and a heap, so that ten thousand that wait cost nothing. `due` is told each key whose time has come,
 * in the order of the times; a clock that was set is noticed within a minute.
 */
export function createAlarms(now: () => number, due: (key: string) => void): Alarms {
  const current = new Map<string, Alarm>();
  /** What was set again or taken away stays in it until its time. */
  let heap: Alarm[] = [];
  let timer: Subscription | undefined;
  let timerAt = Infinity;

  const isCurrent = (alarm: Alarm): boolean => current.get(alarm.key) === alarm;

  const wind = (): void => {
    while (heap[0] !== undefined && !isCurrent(heap[0])) popFrom(heap);
    const next = heap[0]?.at ?? Infinity;
    if (timer !== undefined && timerAt <= next) return;
    timer?.unsubscribe();
    timer = undefined;
    timerAt = next;
    if (next === Infinity) return;
    timer = asyncScheduler.schedule(ring, Math.min(Math.max(next - now(), 0), longestMs));
  };

  const ring = (): void => {
    timer = undefined;
    const time = now();
    // One that is set for now while others ring has its turn after them, in the next round.
    const ringing: Alarm[] = [];
    for (let first = heap[0]; first !== undefined && first.at <= time; first = heap[0]) {
      popFrom(heap);
      if (!isCurrent(first)) continue;
      current.delete(first.key);
      ringing.push(first);
    }
    for (const { key } of ringing) due(key);
    wind();
  };

  return {
    set: (key, at) => {
      const known = current.get(key);
      if (known?.at === at) return;
      if (at === undefined) current.delete(key);
      else {
        const alarm = { key, at };
        current.set(key, alarm);
        pushTo(heap, alarm);
      }
      if (heap.length > 2 * current.size + 64) {
        heap = [...current.values()].sort((one, other) => one.at - other.at);
      }
      wind();
    },
    clear: () => {
      timer?.unsubscribe();
      timer = undefined;
      current.clear();
      heap = [];
    },
  };
}

function pushTo(heap: Alarm[], alarm: Alarm): void {
  let place = heap.length;
  while (place > 0) {
    const above = (place - 1) >> 1;
    const parent = heap[above] as Alarm;
    if (parent.at <= alarm.at) break;
    heap[place] = parent;
    place = above;
  }
  heap[place] = alarm;
}

function popFrom(heap: Alarm[]): void {
  const last = heap.pop() as Alarm;
  if (heap.length === 0) return;
  let place = 0;
  for (;;) {
    const left = 2 * place + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const isRight = right < heap.length && (heap[right] as Alarm).at < (heap[left] as Alarm).at;
    const below = isRight ? right : left;
    const child = heap[below] as Alarm;
    if (last.at <= child.at) break;
    heap[place] = child;
    place = below;
  }
  heap[place] = last;
}
