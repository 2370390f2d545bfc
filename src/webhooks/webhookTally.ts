import type { WebhookStats } from '../instances/webhooks.js';

/** What is counted, by all endpoints together. */
export interface WebhookTally {
  readonly attempts: Record<keyof WebhookStats['attempts'], number>;
  expired: number;
}

/** Nothing yet; all that can be counted is there from the beginning. */
export const newTally = (): WebhookTally => ({
  attempts: { delivered: 0, address: 0, connection: 0, redirect: 0, status: 0, timeout: 0 },
  expired: 0,
});
