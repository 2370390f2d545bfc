import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';

/** What is served: a manager, or whatever else has instances and tells of them. */
export type ApiManager = Instances & LifecycleStreams;
