import type { Socket } from 'node:net';
import { catchError, map, of, type Observable } from 'rxjs';
import { accepts } from '../../drivers/host/accepts.js';
import type { Endpoint } from '../../lifecycle/endpoint.js';
import { failureOf } from './failureOf.js';
import type { ProbeOutcome } from './probeOutcome.js';

/** Connects, says nothing, and closes. */
export const tcpProbe = (endpoint: Endpoint, onSocket: (socket: Socket) => void): Observable<ProbeOutcome> =>
  accepts(endpoint, onSocket).pipe(
    map((isSo): ProbeOutcome => (isSo ? { kind: 'success' } : { kind: 'failure', error: 'nobody listens' })),
    catchError((error: unknown) => of(failureOf(error))),
  );
