import * as t from 'io-ts';
import { connect } from 'node:net';
import { filter, map, Observable, repeat, switchMap, take } from 'rxjs';
import type { MachinePort } from '../host/machinePorts.js';
import type { Qmp } from './qmp.js';
import type { QmpLink } from './qmpLink.js';

/**
 * Whether no processor of the guest will ever do anything again: each stands still and lets no interrupt wake it, as it is after
 * `halt`. QEMU has it only in a text for people.
 */
export const isDead = (qmp: Qmp): Observable<boolean> =>
  monitor(qmp, 'info registers -a').pipe(
    map((registers) => {
      const all = [...registers.matchAll(/FL=([0-9a-f]+).*HLT=([01])/g)];
      return all.length > 0 && all.every(([, flags = '', halted]) => halted === '1' && !interruptible(flags));
    }),
  );

/** Which ports of this host lead to which of the guest. */
export const forwardedPorts = (qmp: Qmp): Observable<readonly MachinePort[]> =>
  monitor(qmp, 'info usernet').pipe(
    map((text) =>
      [...text.matchAll(/TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+(\d+)/g)].map(([, host, guest]) => ({
        guest: Number(guest),
        host: Number(host),
      })),
    ),
  );

/**
 * Whether the guest accepts connections that come by a port of this host. QEMU accepts them for it before it was asked, so that
 * only QEMU knows. Fails when the guest refuses, which ends the connection.
 */
export const guestAccepts = (link: QmpLink, host: number, pollMs: number): Observable<boolean> =>
  connected(host).pipe(
    switchMap(() =>
      link
        .use((qmp) => monitor(qmp, 'info usernet'))
        .pipe(
          map((text) => isEstablished(text, host)),
          repeat({ delay: pollMs }),
        ),
    ),
    filter((isAccepted) => isAccepted),
    take(1),
  );

/** QEMU lists a connection that came by a port by that port, not by the one that it came from. */
const isEstablished = (usernet: string, port: number): boolean =>
  new RegExp(String.raw`TCP\[ESTABLISHED\]\s+\d+\s+\S+\s+${String(port)}\s`).test(usernet);

/** Emits once it is connected, and holds the connection until unsubscribed; fails when the other end closes it. */
const connected = (port: number): Observable<void> =>
  new Observable((subscriber) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      subscriber.next();
    });
    socket.on('error', (error) => {
      subscriber.error(error);
    });
    socket.once('close', () => {
      subscriber.error(new Error('the guest refuses the connection'));
    });
    return () => {
      socket.destroy();
    };
  });

const monitor = (qmp: Qmp, command: string): Observable<string> =>
  qmp.ask('human-monitor-command', t.string, { 'command-line': command });

const interruptFlag = 0x200;
const interruptible = (flags: string): boolean => (Number.parseInt(flags, 16) & interruptFlag) !== 0;
