import type { RestartPolicy } from '../../lifecycle/restartPolicy.js';
import { closed } from '../closed.js';
import { integer, longestTimerMs, oneOf } from '../scalars.js';
import { optional, required, wireObject } from '../wire/wireObject.js';
import { wireDuration } from '../wire/wireDuration.js';
import { keptAs } from './keptAs.js';

const milliseconds = integer('milliseconds', 0, longestTimerMs);

/**
 * Decodes a {@link RestartPolicy} as it is asked for; what is left open is hypeman's default. `never` is none.
 */
export const restartPolicy = keptAs(
  closed(
    'a restart policy',
    { policy: oneOf(['never', 'always', 'on_failure']) },
    {
      backoffMs: milliseconds,
      maxBackoffMs: milliseconds,
      maxAttempts: integer('attempts', 0, 2 ** 31 - 1),
      stableAfterMs: integer('milliseconds', 1, longestTimerMs),
    },
  ),
  ({ policy, ...asked }): RestartPolicy | undefined =>
    policy === 'never'
      ? undefined
      : { policy, backoffMs: defaultBackoffMs, maxAttempts: 0, stableAfterMs: 600_000, ...asked },
  ({ backoffMs = defaultBackoffMs, maxBackoffMs = backoffMs }) =>
    maxBackoffMs < backoffMs
      ? { key: 'maxBackoffMs', found: maxBackoffMs, expected: `backoffMs (${String(backoffMs)}) or more` }
      : undefined,
);

const defaultBackoffMs = 5_000;

/** The wire form of a {@link RestartPolicy}: hypeman's, with what it does not have beside. */
export const wireRestartPolicy = wireObject('a restart policy', {
  policy: required('policy', oneOf(['always', 'on_failure'])),
  backoffMs: required('backoff', wireDuration),
  maxBackoffMs: optional('max_backoff', wireDuration),
  maxAttempts: required('max_attempts', integer('attempts', 0, Number.MAX_SAFE_INTEGER)),
  stableAfterMs: required('stable_after', wireDuration),
});
