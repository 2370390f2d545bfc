import { defer, EMPTY, from, mergeMap, Observable, of, Subject } from 'rxjs';
import type { Machine } from '../drivers/driver.js';
import type { ControllerPort } from '../instances/controller.js';
import type { CheckOutcome, CheckProgram } from '../lifecycle/checkProgram.js';
import type { Execution } from '../lifecycle/execution.js';
import type { Machines } from './machines.js';
import { timeLimit } from './timeLimit.js';

/** How many run at a time; the time of the others begins when they do. */
const mostAtOnce = 64;

/**
 * Creates what runs the programs by which instances are checked, and throws away what they write. Of one that is killed because its machine
 * ends nothing is told.
 */
export function createChecks(machines: Pick<Machines, 'of'>): ControllerPort['check'] {
  const turns$ = new Subject<Observable<never>>();
  turns$.pipe(mergeMap((turn$) => turn$, mostAtOnce)).subscribe();

  return (instanceId, program) =>
    new Observable((subscriber) => {
      const outcome$ = defer(() => {
        const machine = machines.of(instanceId)?.machine;
        return machine === undefined ? EMPTY : checked(machine, program);
      });
      turns$.next(
        new Observable((turn) => {
          subscriber.add(outcome$.subscribe(subscriber));
          subscriber.add(() => {
            turn.complete();
          });
        }),
      );
    });
}

const checked = (machine: Machine, { command, cwd, timeoutMs }: CheckProgram): Observable<CheckOutcome> => {
  const program = { command, ...(cwd !== undefined && { cwd }), hasInput: false, hasOutput: false };
  return (machine.exec?.(program) ?? EMPTY).pipe(
    timeLimit(timeoutMs),
    mergeMap((execution) => from(outcomeOf(execution))),
    mergeMap((outcome) =>
      outcome.signal !== 'SIGKILL' || outcome.timedOut === true
        ? of(outcome)
        : machine.inspect().pipe(mergeMap(({ kind }) => (kind === 'ended' ? EMPTY : of(outcome)))),
    ),
  );
};

/** It writes nothing, so how it ended is all that there is to read. */
async function outcomeOf(execution: Execution): Promise<CheckOutcome> {
  const output = await execution.read();
  const { code, signal, timedOut } = output?.kind === 'exit' ? output : { code: null, signal: null };
  return { code, signal, ...(timedOut === true && { timedOut }) };
}
