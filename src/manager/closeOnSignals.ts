import { constants } from 'node:os';
import { concat, fromEvent, ignoreElements, map, merge, of, type Subscription, takeUntil } from 'rxjs';
import { decodeOrThrow } from '../codecs/decode.js';
import { withMethods } from '../codecs/withMethods.js';
import type { InstanceManager } from './instanceManager.js';
import type { CloseOptions } from './options.js';
import { decodeClose } from './requests.js';

type Closable = Pick<InstanceManager, 'close' | 'measurements$'>;

const closable = withMethods('a manager', 'close');

const signals = ['SIGINT', 'SIGTERM'] as const;

const listening = new WeakMap<Closable, Subscription>();

/**
 * Closes a manager when this process is asked to end, by SIGINT (Ctrl-C) or SIGTERM, and ends the process once it is closed: with
 * 128 and the number of the signal as its exit code, as a shell tells such an end (130, 143), or with 1 and the error on
 * `console.error` when closing failed. A second signal ends it at once, and leaves what is
 * left.
 *
 * Called again for the same manager it gives the same subscription. Once the manager is closed, however that came, or the
 * subscription is unsubscribed from, nothing is listened to any more; what a signal has begun goes on.
 *
 * Verbs that are called meanwhile fail with {@link ManagerClosed}, which an application should not take for a fault then: a
 * rejection that nobody handles ends the process before its instances have stopped.
 *
 * @param options - what `close` is told
 * @throws {@link InvalidRequest} at once for what is no manager, and for options that can't be understood
 *
 * @example
 * ```ts
 * import { closeOnSignals, openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const listening = closeOnSignals(manager);
 * listening.closed; // => false
 *
 * await manager.close();
 * listening.closed; // => true
 * ```
 */
export function closeOnSignals(
  manager: Pick<InstanceManager, 'close' | 'measurements$'>,
  options: CloseOptions = {},
): Subscription {
  decodeOrThrow(closable, manager);
  const decoded = decodeClose(options);
  const known = listening.get(manager);
  if (known?.closed === false) return known;
  const closed$ = concat(manager.measurements$.pipe(ignoreElements()), of('closed'));
  const signal$ = merge(...signals.map((name) => fromEvent(process, name).pipe(map(() => name))));
  let isClosing = false;
  const subscription = signal$.pipe(takeUntil(closed$)).subscribe((name) => {
    const code = 128 + constants.signals[name];
    if (isClosing) process.exit(code);
    isClosing = true;
    void closeAndEnd(manager, decoded, code);
  });
  listening.set(manager, subscription);
  return subscription;
}

async function closeAndEnd(manager: Closable, options: CloseOptions, code: number): Promise<never> {
  try {
    await manager.close(options);
  } catch (error) {
    // eslint-disable-next-line no-console -- the process ends: nobody else could be told
    console.error(error);
    process.exit(1);
  }
  process.exit(code);
}
