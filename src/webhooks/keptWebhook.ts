import * as t from 'io-ts';
import { boundedList } from '../codecs/boundedList.js';
import { closed } from '../codecs/closed.js';
import { cursor } from '../codecs/cursor.js';
import { oneOf } from '../codecs/scalars.js';
import { secret } from '../codecs/secret.js';
import type { DisabledReason } from '../instances/webhooks.js';
import type { Cursor } from '../lifecycle/event.js';
import type { Json } from '../lifecycle/instance.js';
import { type EventCriteria, eventCriteriaKeys } from '../streams/eventCriteria.js';
import { type SigningSecret, signingSecret } from './secrets.js';

/** What is kept of an endpoint: what was asked for, and how far it came. */
export interface KeptWebhook {
  readonly url: string;
  readonly filter: EventCriteria;
  readonly createdAt: number;
  readonly secrets: readonly SigningSecret[];
  /** The last event with which it is done. */
  readonly place: Cursor;
  readonly failingSince?: number | undefined;
  readonly disabled?: { readonly at: number; readonly reason: DisabledReason } | undefined;
}

/** Decodes which events to send. */
export const filterCodec = closed('a filter of events', {}, eventCriteriaKeys);

/** How it is kept. */
export const keptWebhook = closed(
  'a webhook',
  {
    url: secret(t.string),
    filter: filterCodec,
    createdAt: t.number,
    secrets: boundedList(
      'secrets',
      closed('a secret', { secret: signingSecret }, { until: t.number }),
      1,
      100,
    ),
    place: cursor,
  },
  {
    failingSince: t.number,
    disabled: closed('an end', { at: t.number, reason: oneOf(['failed', 'gone']) }, {}),
  },
) as t.Type<KeptWebhook, Json>;
