import { isIP } from 'node:net';
import type * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { name } from '../codecs/name.js';
import { integer, text } from '../codecs/scalars.js';
import { secret } from '../codecs/secret.js';
import type { RotationRequest, WebhookRequest } from '../instances/webhooks.js';
import type { AllowedAddress } from './allowedAddress.js';
import { filterCodec } from './keptWebhook.js';
import { signingSecret } from './secrets.js';

const mostKeptMs = 2_592_000_000;

/** Decodes a {@link RotationRequest}. */
export const rotationRequest: t.Type<RotationRequest, unknown> = closed(
  'a rotation',
  {},
  { secret: signingSecret, keepMs: integer('milliseconds', 0, mostKeptMs) },
);

/** Decodes a {@link WebhookRequest} for addresses that are allowed. What is a literal address is refused here already. */
export function webhookRequest(
  allowHttp: boolean,
  isAllowed: AllowedAddress,
): t.Type<WebhookRequest, unknown> {
  const schemes = allowHttp ? ['https:', 'http:'] : ['https:'];
  const isUrl = (value: string): boolean => {
    if (value.length > 2_048 || !URL.canParse(value)) return false;
    const { protocol, username, password, hash, hostname } = new URL(value);
    const host = hostname.replace(/^\[|\]$/g, '');
    return (
      schemes.includes(protocol) &&
      [username, password, hash].every((part) => part === '') &&
      (isIP(host) === 0 || isAllowed(host))
    );
  };
  const kinds = schemes.map((scheme) => scheme.slice(0, -1)).join(' or ');
  const url = secret(
    text(
      `a URL (${kinds}, at most 2048 characters, no user, no fragment, no address that is refused)`,
      isUrl,
    ),
  );
  return closed('a webhook', { url }, { id: name, secret: signingSecret, filter: filterCodec });
}
