import { concat, defer, mergeMap, type Observable, of, ReplaySubject, takeUntil } from 'rxjs';
import type * as t from 'io-ts';
import { abortSignal } from '../codecs/abortSignal.js';
import { closed, isRecord } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { cursorCodec } from '../codecs/wire/cursorText.js';
import { type WireCall, wireCalls } from '../codecs/wire/wireCalls.js';
import { required, wireObject } from '../codecs/wire/wireObject.js';
import type { Instances } from '../instances/instances.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { ManagerClosed } from '../lifecycle/errors.js';
import { pullable } from '../streams/pullable.js';
import { untilAborted } from '../streams/untilAborted.js';
import type { Api } from './api.js';
import type { FollowedLog } from './followedLog.js';
import type { OpenWebSocket } from './openWebSocket.js';
import { runRemotely } from './remoteExec.js';
import { createRemoteLogs } from './remoteLogs.js';
import { createRemoteRun } from './remoteRun.js';
import { again, onlyRefused, told } from './retries.js';
import { refuseUnsendable } from './sendable.js';

/** What calls are made with. */
export interface RemoteCallsTools {
  readonly api: Api;
  readonly openWebSocket: OpenWebSocket;
  readonly log: Pick<FollowedLog, 'reach'>;
  /** Hears what `onLine` of a run throws. */
  onThrow(error: unknown): void;
}

/** The verbs from afar. */
export interface RemoteCalls {
  readonly instances: Instances;
  /** Fails those that are under way, and all that come. */
  close(): void;
}

/** How often a verb fails in vain before that is told: some ten seconds. */
const mostFailures = 8;

/** What a verb comes to that is asked for twice: the same as once, by its name or by what it is; or it is done twice. */
type Repeated = 'same' | 'twice';
const same: Repeated = 'same';
type PlainCall = Exclude<keyof Instances, 'run' | 'logs' | 'exec'>;

const repeated: Readonly<Record<PlainCall, Repeated>> = {
  ...{
    create: same,
    ensure: same,
    get: same,
    list: same,
    update: same,
    start: same,
    stop: same,
    standby: same,
  },
  ...{ restore: same, restart: same, delete: same, refresh: same, fork: same, endpoint: same },
  ...{ status: same, hold: same, createSnapshot: same, listSnapshots: same, getSnapshot: same },
  ...{ deleteSnapshot: same, forkSnapshot: same, restoreSnapshot: same },
  signal: 'twice',
};

const local = closed('call options', {}, { signal: abortSignal });

/** Creates the verbs from afar: each is what the method of the manager there is, which understands what it is handed itself. */
export function createRemoteCalls({ api, openWebSocket, log, onThrow }: RemoteCallsTools): RemoteCalls {
  const closed$ = new ReplaySubject<never>(1);

  const whileOpen = <T>(make: () => Observable<T>): Observable<T> => defer(make).pipe(takeUntil(closed$));

  const call =
    (verb: PlainCall) =>
    (...given: readonly unknown[]): Observable<unknown> =>
      whileOpen(() => {
        const { sent, signal } = named(wireCalls[verb], given);
        refuseUnsendable(sent);
        const request = { method: 'POST', path: `/calls/${verb}`, body: { arguments: sent } } as const;
        return api.ask(request, answerCodecs[verb]).pipe(
          repeated[verb] === 'same' ? again(mostFailures) : onlyRefused(mostFailures),
          told,
          mergeMap(({ value, cursor }) => concat(log.reach(cursor), of(deepFreeze(value)))),
          untilAborted(signal),
        );
      });

  const verbs = Object.keys(repeated).map((verb) => [verb, call(verb as PlainCall)]);
  return {
    instances: {
      ...(Object.fromEntries(verbs) as Pick<Instances, PlainCall>),
      exec: (idOrName, request) =>
        pullable(whileOpen(() => runRemotely({ api, openWebSocket }, mostFailures)(idOrName, request))),
      run: (request, options) => whileOpen(() => createRemoteRun(api, onThrow)(request, options)),
      logs: (idOrName, options) => whileOpen(() => createRemoteLogs(api, mostFailures)(idOrName, options)),
    },
    close: () => {
      closed$.error(new ManagerClosed());
    },
  };
}

/** The arguments as they are sent: what changes something has a name, so that it is done once however often it is asked for. */
function named(
  { takes, hasOptions }: WireCall,
  given: readonly unknown[],
): { readonly sent: readonly unknown[]; readonly signal?: AbortSignal | undefined } {
  const options = given[takes - 1];
  if (!hasOptions || (options !== undefined && !isRecord(options))) return { sent: given.slice(0, takes) };
  const { signal, ...rest } = options ?? {};
  const before = Array.from({ length: takes - 1 }, (_, index) => given[index]);
  const sent = [...before, { ...rest, requestId: rest['requestId'] ?? anyName() }];
  return { sent, ...decodeOrThrow(local, { signal }) };
}

/** Also where there is no `randomUUID`: a page that came by plain HTTP. */
function anyName(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const answerCodecs = Object.fromEntries(
  Object.entries(wireCalls).map(([verb, { result }]) => [
    verb,
    wireObject('an answer', {
      value: required('value', result),
      cursor: required('cursor', cursorCodec),
    }),
  ]),
) as unknown as Readonly<
  Record<
    PlainCall,
    t.Decoder<unknown, { readonly value: unknown; readonly cursor: t.TypeOf<typeof cursorCodec> }>
  >
>;
