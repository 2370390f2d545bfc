// Webhooks.
export type { WebhookManager } from './webhooks/webhookManager.js';
export type { WebhookOptions } from './webhooks/webhookOptions.js';
export { openWebhooks } from './webhooks/openWebhooks.js';
