import * as t from 'io-ts';
import type { ExecOutput } from '../../lifecycle/execution.js';
import { closed } from '../closed.js';
import { integer } from '../scalars.js';
import { optional, required, wireObject } from './wireObject.js';

/** What a client and a server say to each other over the WebSocket of a program: the name of the language. */
export const execProtocol = 'rx-instances.exec.v1';

/** What a client that can set no headers calls its token by, as one more protocol; the rest is the token in base64url. */
export const tokenProtocol = 'rx-instances.token.';

const bytes = integer('bytes', 1, 2 ** 30);

/** What a client asks for first. */
export const execStart = closed(
  'what to begin with',
  {
    /** As `exec` takes them, without `stdin` and `signal`. */
    arguments: t.readonlyArray(t.unknown, 'a list of arguments'),
    /** How much output may be sent before more is allowed. */
    credit: bytes,
  },
  {
    /** Whether something is to be read: binary messages, up to `end`. */
    stdin: t.boolean,
  },
);

/** What a client says later, besides bytes that the program is to read. */
export const execMessage = closed('a message', { type: t.keyof({ credit: null, end: null }) }, { bytes });

/** How the server tells that the client may send so many bytes more. */
export const execCredit = wireObject('credit', { bytes: required('bytes', bytes) });

/** How a program ended. */
export const wireExecExit = wireObject('an exit', {
  code: required('code', t.union([t.number, t.null], 'a number or null')),
  signal: required('signal', t.union([t.string, t.null], 'a text or null')),
  oomKilled: optional('oom_killed', t.literal(true)),
  timedOut: optional('timed_out', t.literal(true)),
});

type Data = Exclude<ExecOutput, { readonly kind: 'exit' }>;

const streamOf = { stdout: 1, stderr: 2 } as const;

/** Output as a binary message: the number of its stream, then what was written. */
export function wireOutput({ kind, data }: Data): Uint8Array {
  const message = new Uint8Array(data.length + 1);
  message[0] = streamOf[kind];
  message.set(data, 1);
  return message;
}

/** What a binary message tells; nothing where that is no stream. */
export function outputOf(message: Uint8Array): Data | undefined {
  const data = message.subarray(1);
  if (message[0] === streamOf.stdout) return { kind: 'stdout', data };
  return message[0] === streamOf.stderr ? { kind: 'stderr', data } : undefined;
}
