import {
  catchError,
  EMPTY,
  first,
  firstValueFrom,
  lastValueFrom,
  map,
  merge,
  noop,
  type Observable,
  Subject,
} from 'rxjs';
import type { WebhookReport, Webhooks, WebhookStats } from '../instances/webhooks.js';
import type { Cursor } from '../lifecycle/event.js';
import { allowedAddress } from './allowedAddress.js';
import { consumer, createEndpoint, type Endpoint, type EndpointContext } from './endpoint.js';
import { EndpointRecord } from './endpointRecord.js';
import { createGuardedAgent } from './guardedAgent.js';
import { type KeptWebhook, keptWebhook } from './keptWebhook.js';
import { createPostEvent } from './postEvent.js';
import type { WebhookManager } from './webhookManager.js';
import { type WebhookOptions, webhookSettings } from './webhookOptions.js';
import { newTally } from './webhookTally.js';
import { createWebhookVerbs } from './webhookVerbs.js';

/**
 * Opens the webhooks of a manager: what happens to instances is sent by POST to the endpoints that are kept with it, each event as its wire form,
 * signed by [Standard Webhooks](https://www.standardwebhooks.com). Open them once for a manager; they end with it.
 *
 * - An endpoint has each event at least once, with the same `webhook-id` each time, and one after another in the order of the log: the next is
 *   sent when the one before was answered with 2xx. So it takes as many events as it answers; none holds up another.
 * - What is not taken is sent again, first after a second, then after twice as long each time, ten minutes at most, a random half of it
 *   less; not before the time that the receiver asks for by `retry-after`. After a day without success the endpoint is disabled, and at once
 *   after the status 410.
 * - What could not be sent yet waits in the log of the manager. Where that has lost it, this is told, and it goes on with the oldest event.
 *   Without a `dataDir` endpoints and log are gone with the manager.
 * - Redirects are not followed. Nobody is connected to whose address is not public, unless `allowedNetworks` has it.
 *
 * @throws as a rejection: `InvalidRequest`, `StoreFailed`, `ManagerClosed`, `TooManyConsumers`
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { openWebhooks } from 'rx-instances/webhooks';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const webhooks = await openWebhooks(manager);
 * const filter = { action: ['exit', 'lost'] } as const;
 * const { secret } = await firstValueFrom(webhooks.add({ id: 'alarms', url: 'https://example.org/hook', filter }));
 * secret.startsWith('whsec_'); // => true
 * const { status } = await firstValueFrom(webhooks.get('alarms'));
 * [status.state, status.lag]; // => ['active', 0]
 * await manager.close();
 * ```
 */
export async function openWebhooks(manager: WebhookManager, options: WebhookOptions = {}): Promise<Webhooks> {
  const settings = webhookSettings(manager, options);
  const table = manager.table(consumer, keptWebhook);
  const kept = await firstValueFrom(table.list());
  const head = await firstValueFrom(headOf(manager));
  const isAllowed = allowedAddress(settings.allowedNetworks);
  const agent = createGuardedAgent(isAllowed, settings.timeoutMs);
  const reports$ = new Subject<WebhookReport>();
  const endpoints = new Map<string, Endpoint>();
  const tally = newTally();
  let { sequence } = head;

  const report = (its: WebhookReport): void => {
    if (its.kind === 'delivered') tally.attempts.delivered += 1;
    else if (its.kind === 'failed') tally.attempts[its.failure.kind] += 1;
    else if (its.kind === 'expired') tally.expired += 1;
    reports$.next(its);
  };
  const context: EndpointContext = {
    ...{ manager, settings, report },
    post: createPostEvent(agent, settings.timeoutMs),
    head: () => sequence,
  };
  const endpointOf = (id: string, its: KeptWebhook): Endpoint =>
    createEndpoint(id, new EndpointRecord(id, its, table, settings.logger), context);
  for (const [id, its] of kept) endpoints.set(id, endpointOf(id, its));

  const heard = manager.events(consumer).subscribe({
    next: (event) => {
      sequence = event.sequence;
    },
    error: noop,
  });
  const close = closingOnce(async () => {
    heard.unsubscribe();
    closed.unsubscribe();
    for (const { stop } of endpoints.values()) stop();
    reports$.complete();
    await lastValueFrom(merge(...[...endpoints.values()].map(flushed)), { defaultValue: undefined });
    await agent.destroy();
  });
  const closed = manager.closing$.subscribe(() => void close.now());
  for (const { start } of endpoints.values()) start();

  return {
    ...createWebhookVerbs({
      ...{ settings, isAllowed, endpoints, endpointOf, table },
      place: () => ({ epoch: head.epoch, sequence }),
      isClosed: close.hasBegun,
    }),
    reports$: reports$.asObservable(),
    stats: () => statsOf([...endpoints.values()], tally),
    close: close.now,
  };
}

/** What can't be written down any more is sent again by the next manager. */
const flushed = ({ record }: Endpoint): Observable<never> => record.flush().pipe(catchError(() => EMPTY));

function closingOnce(work: () => Promise<void>): { now: () => Promise<void>; hasBegun: () => boolean } {
  let closing: Promise<void> | undefined;
  return { now: () => (closing ??= work()), hasBegun: () => closing !== undefined };
}

/** An id that no instance has: who watches it is told the place of the table, and no table. */
const nobody = '-';

const headOf = (manager: WebhookManager): Observable<Cursor> =>
  manager.watch(consumer, { instanceId: nobody }).pipe(
    first((change) => change.kind === 'snapshot'),
    map(({ cursor }) => cursor),
  );

function statsOf(endpoints: readonly Endpoint[], tally: ReturnType<typeof newTally>): WebhookStats {
  const statuses = endpoints.map(({ view }) => view().status);
  const count = (wanted: string): number => statuses.filter(({ state }) => state === wanted).length;
  const lags = statuses.filter(({ state }) => state !== 'disabled').map(({ lag }) => lag);
  return {
    endpoints: { active: count('active'), failing: count('failing'), disabled: count('disabled') },
    attempts: { ...tally.attempts },
    expired: tally.expired,
    lag: Math.max(0, ...lags),
  };
}
