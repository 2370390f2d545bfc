// The HTTP API, for Fastify.
export type { ApiManager } from './http/apiManager.js';
export type { InstancesApiOptions, ServedDriver, ServedMetrics } from './http/apiOptions.js';
export { instancesApi } from './http/instancesApi.js';
export { instancesPage } from './http/page/instancesPage.js';
export { apiServerOptions, type ApiServerOptions } from './http/serverOptions.js';
