import { defer, EMPTY, mergeMap, of } from 'rxjs';
import { abortSignal } from '../codecs/abortSignal.js';
import { callback } from '../codecs/callback.js';
import { closed, isRecord } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { wireCalls } from '../codecs/wire/wireCalls.js';
import type { Instances } from '../instances/instances.js';
import type { RunOptions, RunOutcome } from '../instances/runRequest.js';
import { untilAborted } from '../streams/untilAborted.js';
import type { Api } from './api.js';
import { lineOf, saidOf, understood } from './callEvents.js';
import { told } from './retries.js';
import { refuseUnsendable } from './sendable.js';

const local = closed('run options', {}, { signal: abortSignal, onLine: callback });

/** Creates `run`. A run whose connection is cut is given up by the server, as one that nobody waits for: so that is told, and not tried again. */
export const createRemoteRun =
  (api: Api, onThrow: (error: unknown) => void): Instances['run'] =>
  (request, options) =>
    defer(() => {
      const { signal, onLine, ...rest } = (isRecord(options) ? options : {}) as RunOptions;
      decodeOrThrow(local, { signal, onLine });
      const given = [request, options === undefined || isRecord(options) ? rest : options];
      refuseUnsendable(given);
      const tell = contained(onLine, onThrow);
      return saidOf(api, { verb: 'run', given, lines: onLine !== undefined }).pipe(
        mergeMap(({ type, data }) => {
          if (type === 'line') tell(lineOf(data));
          return type === 'value' ? of(understood(wireCalls.run.result, data) as RunOutcome) : EMPTY;
        }),
        told,
        untilAborted(signal),
      );
    });

/** One that has thrown is not called again. */
function contained(
  onLine: RunOptions['onLine'],
  onThrow: (error: unknown) => void,
): NonNullable<RunOptions['onLine']> {
  let isSound = true;
  return (line) => {
    if (!isSound) return;
    try {
      onLine?.(line);
    } catch (error) {
      isSound = false;
      onThrow(error);
    }
  };
}
