import type { Asked } from './ask.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';

/** What a program that is about to be killed tells, as it happens: the record from outside. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened' }
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
