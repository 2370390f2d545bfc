import type { Controller } from '../instances/controller.js';
import { createController, type Occasion, type Sight, type Verdict } from './controller.js';

/** How long after a delete that failed it is tried again. */
const againMs = 5_000;

/** Deletes instances when their `expiresAt` has come. */
export const createExpiration = (): Controller =>
  createController({
    name: 'expiration',
    field: 'expiresAt',
    decide: decideExpiration,
    status: ({ instance: { spec } }) =>
      spec.expiresAt === undefined ? {} : { expiration: { expiresAt: spec.expiresAt } },
  });

/** The rules of expiration. */
export function decideExpiration(
  { instance: { spec }, now }: Sight<never>,
  { kind }: Occasion<never>,
): Verdict<never> {
  const { expiresAt } = spec;
  if (expiresAt === undefined) return {};
  if (now < expiresAt) return { at: expiresAt };
  return kind === 'failed' ? { at: now + againMs } : { act: { verb: 'delete', reason: 'ttl' } };
}
