import { createSigner } from 'fast-jwt';
import { tokenSecret } from './httpServer.js';

/** What clients are asked for. */
export type ClientsQuestion =
  /** Opens so many streams of events; each tenth may read slowly, or nothing. */
  | {
      readonly kind: 'follow';
      readonly port: number;
      readonly clients: number;
      readonly slow: 'none' | 'read slowly' | 'read nothing';
    }
  /** Lets all read, until each has had so many events, without gap and double; the answer is how many were told that they are behind. */
  | { readonly kind: 'hear'; readonly events: number }
  /** Ends all streams. */
  | { readonly kind: 'leave' }
  /** Asks for a path so often, by so many connections; the answer is the time of one, in ns. */
  | {
      readonly kind: 'request';
      readonly port: number;
      readonly path: string;
      readonly connections: number;
      readonly times: number;
    }
  /** Reads a stream of events until it has had so many, and maybe writes them into a file; the answer is the time of one, in ns. */
  | {
      readonly kind: 'read';
      readonly port: number;
      readonly events: number;
      /** The sequence of the event after which it begins. */
      readonly after?: number;
      readonly into?: string;
    }
  /** Begins so many waits, each by a connection of its own, for an instance that does not get there. */
  | { readonly kind: 'wait'; readonly port: number; readonly path: string; readonly waits: number };

export const clientsProgram = 'httpClientsProcess.ts';

/** The token of one who may read. */
export const readerToken = (): string =>
  createSigner({ key: tokenSecret })({ sub: 'bench', permissions: ['instance:read'] });
