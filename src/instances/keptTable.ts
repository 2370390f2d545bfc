import type { Observable } from 'rxjs';

/**
 * Named things that are no instance's, such as webhooks: kept in the store of the manager, each in a transaction of its own. It has
 * at most 10000 records. A key is 1 to 256 printable characters of ASCII, without spaces.
 *
 * Every method returns a cold Observable: nothing happens before subscribe. What has begun runs to its end, and takes effect in the
 * order of the subscribes. Fails with {@link InvalidRequest}, with {@link StoreFailed}, then nothing of it was kept, and with
 * {@link ManagerClosed}.
 *
 * A record that the codec does not understand is as if it were not there: it is set aside with its bytes, and the logger is told.
 * Whoever opens the data directory next looks at it anew, unless another has its key by then.
 */
export interface KeptTable<Thing> {
  /** Emits once: the thing of this name, or `undefined`. */
  get(key: string): Observable<Thing | undefined>;
  /** Emits once: all of them, in the order of their keys. */
  list(): Observable<ReadonlyMap<string, Thing>>;
  /** Completes once it is kept, in the place of one with this key. Written as JSON it has at most 65536 bytes. */
  put(key: string, thing: Thing): Observable<never>;
  /** Completes once it is gone, also where there was none. */
  remove(key: string): Observable<never>;
}
