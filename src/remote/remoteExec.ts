import * as t from 'io-ts';
import { catchError, concatMap, defer, identity, type Observable, throwError } from 'rxjs';
import { abortSignal } from '../codecs/abortSignal.js';
import { closed, isRecord } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { execInput } from '../codecs/execInput.js';
import type { ExecRequest } from '../instances/execRequest.js';
import { ApiFailed, hasTag } from '../lifecycle/errors.js';
import { besides } from '../streams/besides.js';
import { deferErrors, feedInput } from '../streams/feedInput.js';
import { untilAborted } from '../streams/untilAborted.js';
import type { Api } from './api.js';
import type { OpenWebSocket } from './openWebSocket.js';
import { NeverOpened, type RemoteExecution, remoteExecution } from './remoteExecution.js';
import { Failure, onlyRefused, told } from './retries.js';
import { refuseUnsendable } from './sendable.js';

/** How programs are run from afar. */
export interface RemoteExecTools {
  readonly api: Api;
  readonly openWebSocket: OpenWebSocket;
}

const path = '/calls/exec';
const local = closed('what to run', {}, { stdin: execInput, signal: abortSignal });

/** Runs a program from afar. One that has begun is not begun again: whoever is cut off does not know how far it has come. */
export const runRemotely =
  ({ api, openWebSocket }: RemoteExecTools, mostFailures: number) =>
  (idOrName: string, request: ExecRequest): Observable<RemoteExecution> => {
    const { stdin, signal, ...rest } = isRecord(request) ? request : ({} as ExecRequest);
    decodeOrThrow(local, { stdin, signal });
    deferErrors(stdin);
    const given = [idOrName, isRecord(request) ? rest : request];
    refuseUnsendable(given);

    /** A WebSocket that is refused does not say why. */
    const explained = (error: unknown): Observable<never> => {
      if (!(error instanceof NeverOpened)) return throwError(() => error);
      const { message } = error;
      return api.ask({ method: 'GET', path }, t.unknown).pipe(
        catchError((failure: unknown) =>
          throwError(() =>
            isAnswer(failure, 426) ? failed(`its WebSocket could not be opened: ${message}`) : failure,
          ),
        ),
        concatMap(() => throwError(() => failed(message))),
      );
    };

    return defer(() =>
      remoteExecution(() => openWebSocket(path), { arguments: given, stdin: stdin !== undefined }),
    ).pipe(
      catchError(explained),
      onlyRefused(mostFailures),
      told,
      stdin === undefined ? identity : besides((execution) => feedInput(execution, stdin)),
      untilAborted(signal),
    );
  };

const failed = (reason: string): Failure => new Failure(new ApiFailed({ reason }), false);

/** Whether the API would rather be asked by a WebSocket: it has nothing against it. */
const isAnswer = (failure: unknown, status: number): boolean =>
  failure instanceof Failure && hasTag(failure.told, 'ApiFailed') && failure.told.status === status;
