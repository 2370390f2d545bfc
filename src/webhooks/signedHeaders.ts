import { Webhook } from 'standardwebhooks';

/**
 * Signs a body by each secret: any one of them verifies it.
 *
 * @see the specification of Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks
 */
export const signedHeaders = (
  id: string,
  time: number,
  body: string,
  secrets: readonly string[],
): Readonly<Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>> => ({
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(time / 1_000)),
  'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, new Date(time), body)).join(' '),
});
