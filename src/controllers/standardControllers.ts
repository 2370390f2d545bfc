import { EMPTY } from 'rxjs';
import type { Controller } from '../instances/controller.js';
import { createExpiration } from './expiration.js';
import { createRestartPolicy } from './restartPolicy.js';

/** The controllers that act on the policies of instances. */
export const standardControllers = (): readonly Controller[] => [
  createExpiration(),
  createRestartPolicy(EMPTY),
];
