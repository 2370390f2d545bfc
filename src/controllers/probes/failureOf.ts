import { messageOf } from '../../lifecycle/messageOf.js';
import type { ProbeOutcome } from './probeOutcome.js';

/** What this host lacks when it says so. */
const ourFaults = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN', 'EADDRNOTAVAIL'];

/** What an error of a probe says of the instance: nothing, where this host has no room to ask it. */
export function failureOf(error: unknown): ProbeOutcome {
  const { code = '' } = error as NodeJS.ErrnoException;
  return { kind: ourFaults.includes(code) ? 'unasked' : 'failure', error: messageOf(error) };
}
