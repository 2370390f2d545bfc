import { defer, type Observable, of, timeout } from 'rxjs';
import type { ControllerPort } from '../../instances/controller.js';
import type { OwnConnections } from '../../instances/ownConnections.js';
import type { Endpoint } from '../../lifecycle/endpoint.js';
import type { HealthCheck } from '../../lifecycle/healthCheck.js';
import type { Instance } from '../../lifecycle/instance.js';
import { execProbe } from './execProbe.js';
import { httpProbe } from './httpProbe.js';
import { lateAfter } from './lateAfter.js';
import type { ProbeOutcome } from './probeOutcome.js';
import { tcpProbe } from './tcpProbe.js';

/** Asks an instance how it is. */
export type Probe = (
  instance: Instance,
  check: HealthCheck,
  port: Pick<ControllerPort, 'addressOf' | 'check'>,
) => Observable<ProbeOutcome>;

/**
 * Creates what asks an instance once, and emits what came of it within the time of the check. It never errors. Whoever unsubscribes closes the
 * connection, which is one of `own`, or ends the program.
 */
export const createProbe =
  ({ add }: Pick<OwnConnections, 'add'>): Probe =>
  (instance, check, port) => {
    if (check.kind === 'exec') return execProbe(instance.id, check, port);
    return defer(() => {
      const endpoint = endpointOf(instance, check.port, port);
      if (endpoint === undefined) {
        const error = `port ${String(check.port)} was added after the start of the instance`;
        return of<ProbeOutcome>({ kind: 'unasked', error });
      }
      return check.kind === 'http' ? httpProbe(endpoint, check, add) : tcpProbe(endpoint, add);
    }).pipe(
      timeout({
        first: check.timeoutMs,
        with: () => of<ProbeOutcome>({ kind: 'failure', error: lateAfter(check.timeoutMs) }),
      }),
    );
  };

/** One of its ports is asked for where the machine has that; any other is one of this host. */
const endpointOf = (
  { id, spec }: Instance,
  port: number,
  { addressOf }: Pick<ControllerPort, 'addressOf'>,
): Endpoint | undefined =>
  (spec.ports ?? []).some(({ guest }) => guest === port) ? addressOf(id, port) : { host: '127.0.0.1', port };
