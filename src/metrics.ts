// Metrics for Prometheus.
export { createMetrics, type MetricsOptions } from './metrics/createMetrics.js';
