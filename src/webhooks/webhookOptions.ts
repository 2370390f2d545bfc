import * as t from 'io-ts';
import ipaddr from 'ipaddr.js';
import { boundedList } from '../codecs/boundedList.js';
import { closed } from '../codecs/closed.js';
import { decodeAllOrThrow } from '../codecs/decode.js';
import { integer, longestTimerMs, text } from '../codecs/scalars.js';
import { withMethods } from '../codecs/withMethods.js';
import type { Logger } from '../instances/logger.js';

/** How events are sent to endpoints, and to which. */
export interface WebhookOptions {
  /** Whether endpoints may be `http` too, by which everybody on the way reads what is sent. @defaultValue false */
  readonly allowHttp?: boolean;
  /**
   * Networks whose addresses may be connected to although they are private or reserved, such as `10.1.0.0/16`; at most 100.
   *
   * @defaultValue none: public addresses only
   */
  readonly allowedNetworks?: readonly string[];
  /** How long one attempt may take, in milliseconds: 1 to 300,000. @defaultValue 15,000 */
  readonly timeoutMs?: number;
  /**
   * How long an endpoint may go on to fail before it is disabled, in milliseconds: up to about 24.8 days. It is tried one last time at the
   * end of it.
   *
   * @defaultValue 86,400,000: a day
   */
  readonly disableAfterMs?: number;
  /** How many endpoints there are at most: 1 to 1,000. @defaultValue 100 */
  readonly maxEndpoints?: number;
  /** Told when an endpoint fails, is disabled, or has lost events. @defaultValue none */
  readonly logger?: Pick<Logger, 'warn'>;
}

/** {@link WebhookOptions} with nothing left open. */
export type WebhookSettings = Required<WebhookOptions>;

const network = text('a network such as 10.0.0.0/8', (value) => ipaddr.isValidCIDR(value));

const optionsCodec = closed(
  'options of webhooks',
  {},
  {
    allowHttp: t.boolean,
    allowedNetworks: boundedList('networks (at most 100)', network, 0, 100),
    timeoutMs: integer('milliseconds', 1, 300_000),
    disableAfterMs: integer('milliseconds', 1, longestTimerMs),
    maxEndpoints: integer('endpoints', 1, 1_000),
    logger: withMethods('a logger', 'warn'),
  },
);

const managerCodec = closed(
  'webhooks',
  { manager: withMethods('a manager', 'consume', 'events', 'watch', 'table') },
  {},
);

/** Decodes what webhooks are opened with. @throws `InvalidRequest` */
export function webhookSettings(manager: unknown, options: WebhookOptions): WebhookSettings {
  decodeAllOrThrow([managerCodec, { manager }], [optionsCodec, options]);
  return {
    allowHttp: false,
    allowedNetworks: [],
    timeoutMs: 15_000,
    disableAfterMs: 86_400_000,
    maxEndpoints: 100,
    logger: { warn: () => undefined },
    ...options,
  };
}
