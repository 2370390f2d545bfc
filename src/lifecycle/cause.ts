import type { Action } from './state.js';

/** Why an instance changed: who asked for it, and in what words. */
export interface Cause {
  /**
   * Who asked for it: `caller`, or the label that a caller gave itself; the name of a controller; `machine` when it changed by
   * itself; `deadline` when its time was over; `recovery` when a manager that opened found it so, or finished what was cut off;
   * `close` when a manager closed.
   */
  readonly by: string;
  /** A short fixed word for what made them ask, such as `run_timeout`, or `oom` for an `exit` by the kernel's memory killer. */
  readonly reason?: string;
  /** The request that asked for it, by the name that its caller gave it. */
  readonly requestId?: string;
  /** The trace that it belongs to, as W3C Trace Context writes it. */
  readonly traceparent?: string;
}

/** The causes that a manager has of its own, besides deadlines. */
export const causes = {
  caller: { by: 'caller' },
  machine: { by: 'machine' },
  recovery: { by: 'recovery' },
  close: { by: 'close' },
} as const satisfies Readonly<Record<string, Cause>>;

/** What most often causes an action. */
export const likelyCause = (action: Action): Cause => (bySelf.has(action) ? causes.machine : causes.caller);

const bySelf: ReadonlySet<Action> = new Set<Action>(['ready', 'exit', 'lost']);
