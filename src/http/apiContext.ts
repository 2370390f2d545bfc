import type { ApiManager } from './apiManager.js';
import type { OpenStreams } from './openStreams.js';
import type { Representations } from './representations.js';

/** What the routes of one server share. */
export interface ApiContext {
  readonly manager: ApiManager;
  /** Answers that go on; whoever begins one adds it. */
  readonly streams: OpenStreams;
  /** How instances and snapshots are written. */
  readonly written: Representations;
}
