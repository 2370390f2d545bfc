import type * as t from 'io-ts';
import type { Observable } from 'rxjs';
import type { KeptTable } from '../instances/keptTable.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import type { Json } from '../lifecycle/instance.js';

/** What is needed of a manager. */
export type WebhookManager = Pick<LifecycleStreams, 'consume' | 'events' | 'watch'> & {
  /** Emits once, when the manager begins to close. */
  readonly closing$: Observable<void>;
  /** Where endpoints are kept. */
  table<Thing>(name: string, codec: t.Type<Thing, Json>): KeptTable<Thing>;
};
