import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { Observable } from 'rxjs';
import type { Endpoint } from '../../lifecycle/endpoint.js';
import type { HealthCheck } from '../../lifecycle/healthCheck.js';
import { failureOf } from './failureOf.js';
import type { ProbeOutcome } from './probeOutcome.js';

/**
 * Asks for a path by GET, with the endpoint as `Host`, and holds the status against what is expected: a redirect is an answer like any other, and
 * is not followed. Nothing of the body is read. By https the certificate is not verified: a machine of this host has none
 * that would name 127.0.0.1, and nothing secret is sent.
 */
export const httpProbe = (
  { host, port }: Endpoint,
  { scheme, path, expectedStatus }: Extract<HealthCheck, { kind: 'http' }>,
  onSocket: (socket: Socket) => void,
): Observable<ProbeOutcome> =>
  new Observable((subscriber) => {
    const tell = (outcome: ProbeOutcome): void => {
      subscriber.next(outcome);
      subscriber.complete();
    };
    const hear = ({ statusCode = 0 }: http.IncomingMessage): void => {
      const error = `it answered ${String(statusCode)} instead of ${String(expectedStatus)}`;
      tell(statusCode === expectedStatus ? { kind: 'success' } : { kind: 'failure', error });
    };
    const options = { host, port, path, agent: false };
    const asking =
      scheme === 'https' ? https.get({ ...options, rejectUnauthorized: false }) : http.get(options);
    asking.once('socket', onSocket);
    asking.once('response', hear);
    asking.once('upgrade', (answer, socket) => {
      socket.destroy();
      hear(answer);
    });
    // Stays after the end: a request that is destroyed may still fail.
    asking.on('error', (error) => {
      tell(failureOf(error));
    });
    return () => {
      asking.destroy();
    };
  });
