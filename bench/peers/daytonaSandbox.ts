import type { State } from 'rx-instances';

/** A sandbox as Daytona's TypeScript client (0.216) keeps it: one field with its state, for all who wait. */
export interface DaytonaSandbox {
  /** What the client takes its state to be. */
  state(): State;
  /** An event says so. */
  told(state: State): void;
  /** Resolves once the state is the target; each call asks for itself, and again a while after every answer. */
  waitFor(target: State, pollMs: number, signal: AbortSignal): Promise<void>;
}

/**
 * Re-tells the published algorithm of Daytona's client (`Sandbox.ts`: waitForState, applyState) in our own words: whatever
 * is heard, from an event or from an answer, becomes the state, in the order in which it arrives.
 */
export function createDaytonaSandbox(ask: () => Promise<State>, initial: State): DaytonaSandbox {
  const listeners = new Set<() => void>();
  let state = initial;

  const apply = (heard: State): void => {
    state = heard;
    for (const listener of [...listeners]) listener();
  };

  return {
    state: () => state,
    told: apply,
    waitFor: (target, pollMs, signal) =>
      new Promise((resolve) => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const end = (): void => {
          clearTimeout(timer);
          listeners.delete(listen);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const listen = (): void => {
          if (state === target) end();
        };
        const poll = async (): Promise<void> => {
          // Its answer is applied also when the wait has ended meanwhile.
          apply(await ask());
          if (listeners.has(listen)) timer = setTimeout(() => void poll(), pollMs);
        };
        if (state === target) {
          resolve();
          return;
        }
        listeners.add(listen);
        signal.addEventListener('abort', end);
        void poll();
      }),
  };
}
