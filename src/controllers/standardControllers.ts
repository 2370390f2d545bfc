import type { Controller } from '../instances/controller.js';
import { createExpiration } from './expiration.js';
import { createHealthChecks } from './healthCheck.js';
import { createRestartPolicy } from './restartPolicy.js';

/** The controllers that act on the policies of instances. */
export function standardControllers(): readonly Controller[] {
  const healthChecks = createHealthChecks();
  return [createExpiration(), createRestartPolicy(healthChecks.health$), healthChecks.controller];
}
