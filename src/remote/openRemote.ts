import { firstValueFrom } from 'rxjs';
import { callback } from '../codecs/callback.js';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { text } from '../codecs/scalars.js';
import { secret } from '../codecs/secret.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import { createApi } from './api.js';
import { followLog } from './followedLog.js';
import { createRemoteCalls } from './remoteCalls.js';
import { type WebSocketClass, webSocketsOf } from './openWebSocket.js';
import { readPage } from './remoteLog.js';
import { createRemoteStreams } from './remoteStreams.js';
import { createRemoteWaits } from './remoteWaits.js';
import { told } from './retries.js';

/** Where instances are, and how they are reached. */
export interface RemoteOptions {
  /** Where the API is served: `http` or `https`, with the path before its routes if there is one; no query and no password. */
  readonly baseUrl: string;
  /** The token that each request brings, as `Bearer`. @defaultValue none */
  readonly token?: string;
  /** Asks instead of the `fetch` of the platform: through a proxy, with other headers. @defaultValue the platform's */
  readonly fetch?: typeof fetch;
  /**
   * Opens WebSockets, by which programs are run, instead of the platform's: `WebSocket` of `ws` or of `undici` where the platform has none, as
   * Node 20. @defaultValue the platform's; without one `exec` fails with `ApiFailed`
   */
  readonly WebSocket?: WebSocketClass;
}

/** Instances that live behind an API, and what happens to them. */
export type RemoteInstances = Instances &
  LifecycleStreams & {
    /**
     * Lets go of the API, and does nothing to the instances: verbs and waits fail with `ManagerClosed`, those who watch are told
     * `closing`, and every stream completes.
     */
    close(): Promise<void>;
    /** Closes it at the end of the block that it was opened in with `await using`. */
    [Symbol.asyncDispose](): Promise<void>;
  };

const isAddress = (value: string): boolean => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    `${url.username}${url.password}${url.search}${url.hash}` === ''
  );
};

const optionsCodec = closed(
  'options of a remote',
  { baseUrl: secret(text('an address (http or https, without password, query and fragment)', isAddress)) },
  {
    token: secret(text('a token', (value) => /^[\x21-\x7e]+$/.test(value))),
    fetch: callback,
    WebSocket: callback,
  },
);

/** How often the API is asked in vain when it is opened: some ten seconds. */
const mostFailures = 8;

/**
 * Opens instances that live behind an API of `rx-instances/http`: verbs and streams as a manager in this program has them, in Node and in a
 * browser. It resolves once the API has told where its log of events is; from there on no event is missed and none told twice,
 * also when the connection is cut or the server is started again: it is reached again, with growing pauses, for as long as it takes.
 *
 * A verb that fails by the way is asked for again some ten seconds long, and done once: what changes something bears a `requestId`, its
 * own where the caller gives none. `signal` and `run` can't be named so, and are asked for once. What a verb has done is published before it emits.
 *
 * Where it differs from a manager:
 *
 * - errors are the manager's own, without what they tell of the host: why a launch or a driver failed stands in the log of the API; what is all of
 *   its inside, and an API that isn't reached, is `ApiFailed`;
 * - `by` is the name that the token bears; unsubscribing leaves a verb to itself, wherever it is; a run that is cut off is given up;
 * - `consume` is never `durable`, which fails with `InvalidRequest`: what has an event goes on `after` it;
 * - where the log can't be gone on with, those who watch are told the new table, and `events`, `consume` and `iterate` fail with
 *   `CursorExpired`; where it can't be had any more, as by a token that is refused, all fail with `ApiFailed`;
 * - `exec` runs over a WebSocket; one whose connection is cut ends its program, and fails with `ApiFailed`;
 * - `waitForState` looks by `get`, which asks no driver.
 *
 * @returns a Promise that rejects with `InvalidRequest` for options that can't be understood, and with `ApiFailed`
 *
 * @example
 * ```ts
 * import fastify from 'fastify';
 * import { openManager } from 'rx-instances';
 * import { apiServerOptions, instancesApi } from 'rx-instances/http';
 * import { openRemote } from 'rx-instances/remote';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const drivers = [createMemoryDriver()];
 * const manager = await openManager({ drivers });
 * const app = fastify(apiServerOptions());
 * await app.register(instancesApi, { manager, drivers });
 * const remote = await openRemote({ baseUrl: await app.listen({ host: '127.0.0.1', port: 0 }) });
 *
 * const stopped = firstValueFrom(remote.waitForState('web', 'Stopped', { mayBeAbsent: true }));
 * await firstValueFrom(remote.create({ name: 'web', image: 'any' }));
 * await firstValueFrom(remote.stop('web'));
 * (await stopped).reached; // => true
 * await remote.close();
 * await app.close();
 * await manager.close();
 * ```
 */
export async function openRemote(options: RemoteOptions): Promise<RemoteInstances> {
  decodeOrThrow(optionsCodec, options);
  const {
    baseUrl,
    token,
    WebSocket,
    fetch = (...asked: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...asked),
  } = options;
  const api = createApi({ baseUrl, token, fetch });
  const { cursor } = await firstValueFrom(readPage(api, { limit: 1 }, mostFailures).pipe(told));
  const log = followLog(api, cursor);
  const onThrow = (error: unknown): void => {
    log.now.bus.threw('run', error);
  };
  const calls = createRemoteCalls({
    ...{ api, log, onThrow },
    openWebSocket: webSocketsOf({ baseUrl, token, WebSocket }),
  });
  const close = (): Promise<void> => {
    calls.close();
    log.close();
    return Promise.resolve();
  };
  return {
    ...calls.instances,
    ...createRemoteStreams(api, log),
    waitForState: createRemoteWaits(calls.instances.get, log),
    close,
    [Symbol.asyncDispose]: close,
  };
}
