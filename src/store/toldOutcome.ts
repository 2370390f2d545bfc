import type { Change } from '../lifecycle/event.js';
import type { RequestOutcome } from './store.js';

/** What a change tells of the request for it; nothing, of a `delete` of version 0.1.0. */
export function toldOutcome({ snapshot, instance, last }: Change): RequestOutcome | undefined {
  if (snapshot !== undefined) return { snapshot };
  const view = instance ?? last;
  return view && { instance: view };
}
