import * as t from 'io-ts';
import { secret } from '../codecs/secret.js';
import { cursorText } from '../codecs/wire/cursorText.js';
import { wireTime } from '../codecs/wire/wireTime.js';
import type { RotationRequest, Webhook, WebhookFailure, WebhookRequest } from '../instances/webhooks.js';
import { actions } from '../lifecycle/state.js';
import { described, describedObject, type ValueOf } from './described.js';
import { said } from './policyBodies.js';
import { instanceFilter } from './queries.js';
import { duration, name, several, text } from './values.js';

const secretText = described(secret(t.string), { type: 'string', examples: ['whsec_…'] });

const filter = describedObject(
  'a filter',
  {},
  { ...instanceFilter, action: several('actions', actions), name: text, instance_id: text },
);

/** How an endpoint is asked for. */
export const webhookBody = describedObject(
  'a webhook',
  { url: described(secret(t.string), { type: 'string', format: 'uri' }) },
  { id: name, secret: secretText, filter },
);

/** How another secret is asked for. */
export const rotationBody = describedObject('a rotation', {}, { secret: secretText, keep: duration });

/** What is asked for, in the words of this package. */
export const webhookRequestOf = ({ filter, ...asked }: ValueOf<typeof webhookBody>): WebhookRequest => {
  const { instance_id: instanceId, ...criteria } = filter ?? {};
  return said({ ...asked, filter: filter && said({ ...criteria, instanceId }) });
};

/** The same for a rotation. */
export const rotationRequestOf = ({ secret, keep }: ValueOf<typeof rotationBody>): RotationRequest =>
  said({ secret, keepMs: keep });

/** An endpoint as it is told; with its secret only where that was given just now. */
export function webhookView(webhook: Webhook & { readonly secret?: string }): object {
  const { id, url, filter, createdAt, secrets, secret, status } = webhook;
  const { instanceId, ...criteria } = filter;
  return said({
    id,
    url,
    filter: said({ ...criteria, instance_id: instanceId }),
    created_at: wireTime.encode(createdAt),
    secret,
    secrets: secrets.map(({ until }) => said({ until: timeOf(until) })),
    status: statusView(status),
  });
}

const statusView = (status: Webhook['status']): object =>
  said({
    state: status.state,
    cursor: cursorText(status.place),
    lag: status.lag,
    attempts: status.attempts,
    expired: status.expired,
    last_delivered_at: timeOf(status.lastDeliveredAt),
    failing_since: timeOf(status.failingSince),
    next_attempt_at: timeOf(status.nextAttemptAt),
    last_failure: failureView(status.lastFailure),
    disabled_at: timeOf(status.disabledAt),
    disabled_reason: status.disabledReason,
  });

const failureView = (failure: WebhookFailure | undefined): object | undefined =>
  failure && said({ kind: failure.kind, status: failure.status, message: failure.message });

const timeOf = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : wireTime.encode(Math.round(time));
