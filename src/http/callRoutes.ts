import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as t from 'io-ts';
import { defer, map, mergeMap, type Observable, take, tap } from 'rxjs';
import { isRecord } from '../codecs/closed.js';
import { cursorText } from '../codecs/wire/cursorText.js';
import { type WireCall, wireCalls, wireLogLine } from '../codecs/wire/wireCalls.js';
import type { Instances } from '../instances/instances.js';
import type { LogLine } from '../lifecycle/logLine.js';
import { callerOf, requireScope } from './access.js';
import { answer, answerWhileThere } from './answer.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import { apiRoute, bodyOf } from './apiRoute.js';
import { answerStream, type CallSink } from './callStream.js';
import { traceOf } from './callOf.js';
import { described, describedObject, type ValueOf } from './described.js';
import type { LiveEvents } from './events/liveEvents.js';
import { tellFailure } from './failureBody.js';
import { sendPacedLog } from './pacedLog.js';
import type { Scope } from './scopes.js';
import { serverSentEvent } from './sse/serverSentEvent.js';
import { flag } from './values.js';

type CalledVerb = Exclude<keyof Instances, 'exec'>;
/** Who may call a verb, and what becomes of it when its client goes: a read is given up, a mutation goes on, a stream ends. */
type Call = readonly [scope: Scope, kind: 'read' | 'mutation' | 'stream'];

const mutation: Call = ['instance:write', 'mutation'];
const read: Call = ['instance:read', 'read'];
const ofSnapshots: Call = ['snapshot:write', 'mutation'];

/** The compiler wants each verb, and none besides. A program that runs is talked with by a WebSocket. */
const calls: Readonly<Record<CalledVerb | keyof typeof wireCalls, Call>> = {
  ...{
    create: mutation,
    ensure: mutation,
    update: mutation,
    start: mutation,
    stop: mutation,
    standby: mutation,
  },
  ...{ restore: mutation, restart: mutation, refresh: mutation, fork: mutation, signal: mutation },
  hold: mutation,
  delete: ['instance:delete', 'mutation'],
  ...{ get: read, list: read, endpoint: read, status: read },
  run: ['instance:write', 'stream'],
  logs: ['instance:read', 'stream'],
  ...{ createSnapshot: ofSnapshots, forkSnapshot: ofSnapshots, restoreSnapshot: ofSnapshots },
  ...{ listSnapshots: ['snapshot:read', 'read'], getSnapshot: ['snapshot:read', 'read'] },
  deleteSnapshot: ['snapshot:delete', 'mutation'],
};

const callBody = describedObject(
  'body',
  {
    arguments: described(t.readonlyArray(t.unknown, 'a list of arguments'), {
      type: 'array',
      description: 'What the method takes, in its order; null stands for one that is left out',
    }),
  },
  { lines: flag },
);

type Method = (...given: readonly unknown[]) => Observable<unknown>;

/** Serves every verb of `Instances` as it is called within a program, so that nothing of what it can say is lost. */
export function callRoutes(app: FastifyInstance, context: ApiContext, live: Pick<LiveEvents, 'head$'>): void {
  for (const verb of Object.keys(calls) as CalledVerb[]) {
    const [scope, kind] = calls[verb];
    const isStream = kind === 'stream';
    app.post(
      `/calls/${verb}`,
      {
        ...apiRoute({
          operation: `call_${verb}`,
          scope,
          summary: `Call ${verb} with arguments as they are within a program`,
          body: callBody,
          answers: { 200: isStream ? answers.callStream : answers.called },
        }),
        errorHandler: tellFailure,
      },
      (request, reply) => {
        const body = bodyOf(callBody, request);
        if (isStream) {
          sendCall(verb, { request, reply, body }, context);
          return;
        }
        const given = argumentsOf(wireCalls[verb], request, body);
        if (verb === 'ensure' && replaces(given)) requireScope(request, 'instance:delete');
        const value$ = defer(() => method(context, verb)(...given));
        const text$ = value$.pipe(
          take(1),
          mergeMap((value) =>
            live.head$.pipe(
              take(1),
              map((place) => [value, place] as const),
            ),
          ),
          map(([value, place]) =>
            JSON.stringify({
              value: resultOf(verb).encode(value) as unknown,
              cursor: cursorText(place),
            }),
          ),
        );
        if (kind === 'read') answerWhileThere(reply, text$, context.streams);
        else answer(reply, text$);
      },
    );
  }
}

const method = ({ manager }: ApiContext, verb: CalledVerb): Method => manager[verb] as Method;

/** What is called by is the caller's own name, whatever they say; a trace that they say goes before that of the request. */
function argumentsOf(
  { takes, hasOptions }: WireCall,
  request: FastifyRequest,
  { arguments: given }: ValueOf<typeof callBody>,
  own: object = {},
): readonly unknown[] {
  const all = Array.from({ length: takes }, (_, index) => given[index] ?? undefined);
  if (!hasOptions) return all;
  const options = all[takes - 1];
  if (options !== undefined && !isRecord(options)) return all;
  return [...all.slice(0, -1), { ...traceOf(request), ...options, by: callerOf(request), ...own }];
}

/** Whoever may not delete an instance can't have one replaced either. */
const replaces = ([, options]: readonly unknown[]): boolean =>
  isRecord(options) && options['replace'] === true;

interface StreamCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly body: ValueOf<typeof callBody>;
}

/** What may wait for a client that does not take the lines of its run, in bytes. */
const mostWaiting = 16 * 2 ** 20;

function sendCall(verb: CalledVerb, { request, reply, body }: StreamCall, context: ApiContext): void {
  const { manager } = context;
  const run = (sink: CallSink): Observable<unknown> => {
    const onLine = (line: LogLine): void => {
      if (sink.waiting > mostWaiting) reply.raw.destroy();
      else sink.send('line', wireLogLine.encode(line));
    };
    const given = argumentsOf(wireCalls.run, request, body, body.lines === true ? { onLine } : {});
    return method(
      context,
      'run',
    )(...given).pipe(
      tap((outcome) => {
        sink.send('value', (wireCalls.run.result as t.Mixed).encode(outcome));
      }),
    );
  };
  const logs = (sink: CallSink): Observable<unknown> => {
    const [idOrName, options = {}] = argumentsOf(wireCalls.logs, request, body) as Parameters<
      Instances['logs']
    >;
    const textOf = (line: LogLine): string =>
      serverSentEvent({ event: 'line', data: JSON.stringify(wireLogLine.encode(line)) });
    return sendPacedLog({ manager, idOrName, options, sink, textOf });
  };
  answerStream(reply, context, verb === 'run' ? run : logs);
}

/** How the outcome of a verb is written. */
const resultOf = (verb: keyof typeof wireCalls): t.Mixed => wireCalls[verb].result;
