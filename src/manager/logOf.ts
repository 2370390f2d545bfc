import { map } from 'rxjs';
import type { Store } from '../store/store.js';
import type { LifecycleLog } from '../streams/lifecycleLog.js';
import type { InstanceTable } from './instanceTable.js';

/** The log of a store for those who resume: nobody reads of an instance what the table does not know yet. */
export const logOf = (store: Store, { cursor }: InstanceTable): LifecycleLog => ({
  head: cursor,
  read: (after, limit) =>
    store.read(after, limit).pipe(
      map(({ events }) => {
        const { sequence } = cursor();
        return { events: events.filter((event) => event.sequence <= sequence) };
      }),
    ),
  loadCursor: (consumer) => store.loadCursor(consumer),
  saveCursor: (consumer, sequence) => store.saveCursor(consumer, sequence),
});
