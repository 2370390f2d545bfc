import { catchError, identity, map, mergeMap, type Observable, tap, throwError } from 'rxjs';
import { abortSignal } from '../codecs/abortSignal.js';
import { closed } from '../codecs/closed.js';
import { commonFields } from '../codecs/commonFields.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { execInput } from '../codecs/execInput.js';
import { integer, longestTimerMs, programName, workPlace } from '../codecs/scalars.js';
import type { Driver } from '../drivers/driver.js';
import { programArguments } from '../codecs/programArguments.js';
import type { Executions, ExecRequest } from '../instances/execRequest.js';
import { hasTag, ManagerClosed, NotSupported } from '../lifecycle/errors.js';
import type { ExecOutput, Execution } from '../lifecycle/execution.js';
import type { Instance, InstanceSpec } from '../lifecycle/instance.js';
import { deferErrors, feedInput } from '../streams/feedInput.js';
import { pullable } from '../streams/pullable.js';
import { untilAborted } from '../streams/untilAborted.js';
import { besides } from '../streams/besides.js';
import { driverFailed } from './driverFailures.js';
import type { InstanceTable } from './instanceTable.js';
import type { Machines } from './machines.js';
import type { Measurement } from './measurement.js';
import { refuseUnlessRunning } from './refuseUnlessRunning.js';
import { stopwatch } from './stopwatch.js';
import { timeLimit } from './timeLimit.js';
import { tagOf, type Turns } from './turns.js';

/** What {@link createExecutions} needs. */
export interface ExecutionsTools {
  readonly turns: Pick<Turns, 'whileOpen'>;
  readonly table: Pick<InstanceTable, 'exactly'>;
  readonly machines: Pick<Machines, 'of'>;
  readonly driverOf: (spec: InstanceSpec) => Driver;
  readonly closing$: Observable<void>;
  measure(measurement: Measurement): void;
}

/** Creates what runs programs in instances. */
export function createExecutions(tools: ExecutionsTools): Executions {
  const { turns, table, machines, driverOf, closing$, measure } = tools;

  const started = (instance: Instance, request: ExecRequest): Observable<Execution> => {
    const { command, args = [], cwd, env, stdin } = request;
    refuseUnlessItRuns(driverOf(instance.spec), instance);
    const execution$ = machines.of(instance.id)?.machine.exec?.({
      command: [command, ...args],
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env }),
      hasInput: stdin !== undefined,
      hasOutput: true,
    });
    return (execution$ ?? throwError(() => new Error('there is no machine that could run it'))).pipe(
      catchError((error: unknown) =>
        hasTag(error, 'ExecFailed') ? throwError(() => error) : driverFailed(instance, 'exec')(error),
      ),
    );
  };

  const run = (instance: Instance, request: ExecRequest): Observable<Execution> => {
    const { stdin, timeoutMs, signal } = request;
    deferErrors(stdin);
    const seconds = stopwatch();
    let isMeasured = false;
    const end = (result: string): void => {
      if (!isMeasured) measure({ kind: 'exec', driver: instance.spec.driver, result, seconds: seconds() });
      isMeasured = true;
    };
    const see = (output: ExecOutput | undefined): ExecOutput | undefined => {
      if (output?.kind === 'exit') end(output.timedOut === true ? 'timed_out' : 'ok');
      return output;
    };
    const closed$ = closing$.pipe(mergeMap(() => throwError(() => new ManagerClosed())));
    return started(instance, request).pipe(
      timeoutMs === undefined ? identity : timeLimit(timeoutMs),
      stdin === undefined ? identity : besides((execution) => feedInput(execution, stdin)),
      besides(() => closed$),
      untilAborted(signal),
      map((execution) => ({ ...execution, read: () => execution.read().then(see) })),
      tap({
        error: (error: unknown) => {
          end(tagOf(error));
        },
        unsubscribe: () => {
          end('given_up');
        },
      }),
    );
  };

  return {
    exec: (idOrName, request) =>
      pullable(
        turns.whileOpen(() =>
          run(table.exactly(idOrName), decodeOrThrow(execRequest, request) as ExecRequest),
        ),
      ),
  };
}

function refuseUnlessItRuns({ kind, capabilities }: Driver, instance: Instance): void {
  if (capabilities.execs !== true) {
    const reason = 'its machines run no other programs than their own';
    throw new NotSupported({ driver: kind, verb: 'exec', reason });
  }
  refuseUnlessRunning('exec', instance);
}

const execRequest = closed(
  'what to run',
  { command: programName },
  {
    args: programArguments,
    cwd: workPlace,
    env: commonFields.env.asked,
    stdin: execInput,
    timeoutMs: integer('milliseconds', 0, longestTimerMs),
    signal: abortSignal,
  },
);
