import { catchError, defaultIfEmpty, map, type Observable, of } from 'rxjs';
import type { ControllerPort } from '../../instances/controller.js';
import type { CheckOutcome } from '../../lifecycle/checkProgram.js';
import type { HealthCheck } from '../../lifecycle/healthCheck.js';
import { failureOf } from './failureOf.js';
import type { ProbeOutcome } from './probeOutcome.js';
import { lateAfter } from './lateAfter.js';

/** Runs a program beside that of the instance: exit code 0 is health. Its time begins once it has its turn with the driver. */
export const execProbe = (
  instanceId: string,
  { command, cwd, timeoutMs }: Extract<HealthCheck, { kind: 'exec' }>,
  { check }: Pick<ControllerPort, 'check'>,
): Observable<ProbeOutcome> =>
  check(instanceId, { command, cwd, timeoutMs }).pipe(
    map((outcome) => judged(outcome, timeoutMs)),
    catchError((error: unknown) => of(failureOf(error))),
    defaultIfEmpty<ProbeOutcome, ProbeOutcome>({ kind: 'unasked', error: 'the machine is gone' }),
  );

function judged({ code, signal, timedOut }: CheckOutcome, timeoutMs: number): ProbeOutcome {
  if (timedOut === true) return { kind: 'failure', error: lateAfter(timeoutMs) };
  if (code === 0) return { kind: 'success' };
  return {
    kind: 'failure',
    error: `it ended with ${code === null ? String(signal) : `code ${String(code)}`}`,
  };
}
