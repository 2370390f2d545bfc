import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import type { ConsumerStats } from '../streams/consumers.js';

/** What is served: a manager, or whatever else has instances and tells of them. */
export type ApiManager = Instances &
  LifecycleStreams & {
    /** What its consumers are doing; served at `/consumers` where it is known. */
    readonly stats?: () => Readonly<Record<string, ConsumerStats>>;
  };
