import { connect } from 'node:net';
import { Observable } from 'rxjs';
import type { Endpoint } from '../../lifecycle/endpoint.js';
import { failureOf } from './failureOf.js';
import type { ProbeOutcome } from './probeOutcome.js';

/** Connects, says nothing, and closes. */
export const tcpProbe = (endpoint: Endpoint): Observable<ProbeOutcome> =>
  new Observable((subscriber) => {
    const socket = connect({ ...endpoint });
    const tell = (outcome: ProbeOutcome): void => {
      subscriber.next(outcome);
      subscriber.complete();
    };
    socket.once('connect', () => {
      // The kernel may have given it that very port: then it has reached itself.
      const isSelf = socket.localPort === endpoint.port && socket.localAddress === socket.remoteAddress;
      tell(isSelf ? { kind: 'failure', error: 'nobody listens' } : { kind: 'success' });
    });
    // Stays after the end: a socket that is destroyed may still fail.
    socket.on('error', (error) => {
      tell(failureOf(error));
    });
    return () => {
      socket.destroy();
    };
  });
