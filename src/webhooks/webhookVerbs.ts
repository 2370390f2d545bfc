import { createId } from '@paralleldrive/cuid2';
import { asyncScheduler, concat, defer, finalize, map, type Observable, of, ReplaySubject, tap } from 'rxjs';
import { decodeOrThrow } from '../codecs/decode.js';
import type { KeptTable } from '../instances/keptTable.js';
import type { AddedWebhook, Webhook, WebhookRequest, Webhooks } from '../instances/webhooks.js';
import { InvalidRequest, ManagerClosed, NameTaken, WebhookNotFound } from '../lifecycle/errors.js';
import type { Cursor } from '../lifecycle/event.js';
import type { AllowedAddress } from './allowedAddress.js';
import type { Endpoint } from './endpoint.js';
import type { KeptWebhook } from './keptWebhook.js';
import { newSecret, type SigningSecret, stillSigning } from './secrets.js';
import type { WebhookSettings } from './webhookOptions.js';
import { rotationRequest, webhookRequest } from './webhookRequests.js';

/** How long a secret goes on to sign beside its successor: a day. */
const defaultKeepMs = 86_400_000;
/** How many secrets sign at a time; the oldest is let go. */
const mostSecrets = 8;

/** What the verbs work with. */
export interface WebhookVerbContext {
  readonly settings: Pick<WebhookSettings, 'allowHttp' | 'maxEndpoints'>;
  readonly isAllowed: AllowedAddress;
  readonly endpoints: Map<string, Endpoint>;
  readonly table: KeptTable<KeptWebhook>;
  endpointOf(id: string, kept: KeptWebhook): Endpoint;
  /** Where an endpoint begins that is new. */
  place(): Cursor;
  isClosed(): boolean;
}

/** Creates the verbs of {@link Webhooks}. */
export function createWebhookVerbs(
  context: WebhookVerbContext,
): Pick<Webhooks, 'add' | 'enable' | 'get' | 'list' | 'remove' | 'rotate'> {
  const { endpoints, isClosed } = context;

  /** What has begun runs to its end, whoever still listens. */
  const whileOpen = <T>(work: () => Observable<T>): Observable<T> =>
    defer(() => {
      if (isClosed()) throw new ManagerClosed();
      const outcome$ = new ReplaySubject<T>(1);
      work().subscribe(outcome$);
      return outcome$;
    });
  const on = (id: string, work: (endpoint: Endpoint) => Observable<Webhook>): Observable<Webhook> =>
    whileOpen(() => {
      const endpoint = endpoints.get(id);
      if (endpoint === undefined) throw new WebhookNotFound({ webhookId: id });
      return work(endpoint);
    });
  const viewed = ({ view }: Endpoint): Observable<Webhook> => defer(() => of(view()));
  const begun = (endpoint: Endpoint): Observable<Webhook> =>
    defer(() => {
      if (!isClosed()) endpoint.start();
      return viewed(endpoint);
    });
  const add = createAdd(context, begun);

  return {
    add: (request) => whileOpen(() => add(request)),
    get: (id) => on(id, viewed),
    list: () => whileOpen(() => of([...endpoints].sort(byId).map(([, { view }]) => view()))),
    rotate: (id, request = {}) =>
      defer(() => {
        const { secret = newSecret(), keepMs = defaultKeepMs } = decodeOrThrow(rotationRequest, request);
        return on(id, (endpoint) => {
          const { record } = endpoint;
          const secrets = rotated(record.kept.secrets, secret, keepMs);
          return concat(record.keep({ secrets }), viewed(endpoint));
        }).pipe(map((webhook): AddedWebhook => ({ ...webhook, secret })));
      }),
    enable: (id) =>
      on(id, (endpoint) =>
        concat(endpoint.record.keep({ disabled: undefined, failingSince: undefined }), begun(endpoint)),
      ),
    remove: (id) =>
      on(id, ({ record, view, stop }) => {
        const last = view();
        return concat(record.forget(), of(last)).pipe(
          tap(() => {
            stop();
            endpoints.delete(id);
          }),
        );
      }),
  };
}

function createAdd(
  { settings, isAllowed, endpoints, endpointOf, table, place }: WebhookVerbContext,
  begun: (endpoint: Endpoint) => Observable<Webhook>,
): (request: WebhookRequest) => Observable<AddedWebhook> {
  const requestCodec = webhookRequest(settings.allowHttp, isAllowed);
  const adding = new Set<string>();
  return (request) => {
    const asked = decodeOrThrow(requestCodec, request);
    const { id = createId(), url, secret = newSecret(), filter = {} } = asked;
    if (endpoints.has(id) || adding.has(id)) throw new NameTaken({ taken: id });
    checkRoom(endpoints.size + adding.size, settings.maxEndpoints);
    const createdAt = asyncScheduler.now();
    const kept = { url, filter, createdAt, secrets: [{ secret }], place: place() };
    const endpoint = endpointOf(id, kept);
    const begun$ = defer(() => {
      endpoints.set(id, endpoint);
      return begun(endpoint);
    });
    adding.add(id);
    return concat(table.put(id, kept), begun$).pipe(
      map((webhook) => ({ ...webhook, secret })),
      finalize(() => adding.delete(id)),
    );
  };
}

const byId = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number =>
  one < other ? -1 : 1;

function checkRoom(size: number, most: number): void {
  if (size < most) return;
  const expected = `at most ${String(most)} webhooks`;
  throw new InvalidRequest({ faults: [{ path: '', found: 'one more', expected }] });
}

function rotated(
  secrets: readonly SigningSecret[],
  secret: string,
  keepMs: number,
): readonly SigningSecret[] {
  const now = asyncScheduler.now();
  const before = stillSigning(secrets, now).map((each) => ({
    secret: each.secret,
    until: Math.min(each.until ?? Infinity, now + keepMs),
  }));
  return [{ secret }, ...stillSigning(before, now)].slice(0, mostSecrets);
}
