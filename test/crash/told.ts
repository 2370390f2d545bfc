import type { Asked } from './ask.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';

/** At which moments a manager is killed on purpose. */
export const phases = [
  'waking',
  'idle',
  'standby_requested',
  'failing',
  'restarting',
  'backing_off',
] as const;
export type Phase = (typeof phases)[number];

/** What a program that is about to be killed tells, as it happens: the record from outside. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly at: number }
  /** Something is under way: the next one to wake, to be put on standby, or to be restarted. */
  | { readonly kind: 'phase'; readonly phase: Phase; readonly at: number }
  /** A client of an instance was answered, and so is known to the front door. */
  | { readonly kind: 'answered'; readonly visit: number; readonly id: string; readonly at: number }
  /** It is about to go. */
  | { readonly kind: 'left'; readonly visit: number; readonly at: number }
  | { readonly kind: 'event'; readonly event: LifecycleEvent }
  /** A verb is about to be asked for. */
  | { readonly kind: 'asked'; readonly asked: Asked }
  /** A verb was acknowledged. */
  | {
      readonly kind: 'done';
      readonly verb: string;
      readonly id: string;
      readonly revision: number;
      readonly requestId?: string;
    }
  | { readonly kind: 'failed'; readonly verb: string; readonly error: string };
