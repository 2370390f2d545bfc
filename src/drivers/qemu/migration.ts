import * as t from 'io-ts';
import { concat, defer, ignoreElements, type Observable, repeat, takeWhile, tap } from 'rxjs';
import type { Qmp } from './qmp.js';

/** How often QEMU is asked how far it is. */
const lookEveryMs = 5;
/** QEMU limits itself to 128 MiB a second otherwise. */
const bytesPerSecond = 2 ** 40;

/**
 * Has a QEMU whose guest stands still write its state to a file, given as a path that QEMU sees, and completes when it is
 * there. The guest's memory is left out where it lies in a file of its own already. Fails when the file could not be written: the
 * guest can go on then.
 */
export function writeState(qmp: Qmp, path: string, leaveOutRam: boolean): Observable<never> {
  const [part, whole] = [`${path}.part`, path].map(quoted);
  // QEMU never looks how the command ended: only what was written to its end gets its name.
  const uri = `exec:cat > ${String(part)} && mv ${String(part)} ${String(whole)}`;
  return concat(
    capabilities(qmp, leaveOutRam),
    qmp.run('migrate-set-parameters', { 'max-bandwidth': bytesPerSecond }),
    qmp.run('migrate', { uri }),
    finished(qmp),
    // Answered once the command has ended.
    qmp.run('query-status'),
  );
}

/**
 * Has a QEMU give up what somebody began who was killed over it, and completes when it moves no state. One that still did
 * would halt the guest at its end, whoever had let it go on meanwhile.
 */
export const giveUpState = (qmp: Qmp): Observable<never> =>
  concat(
    qmp.run('migrate_cancel'),
    defer(() => qmp.ask('query-migrate', progress)).pipe(
      repeat({ delay: lookEveryMs }),
      takeWhile(({ status = 'none' }) => !restful.has(status)),
      ignoreElements(),
    ),
  );

const restful = new Set(['none', 'completed', 'failed', 'cancelled']);

/** Has a QEMU that waits for it take its state from descriptor 3, and completes when it stands where the other one stood. */
export const readState = (qmp: Qmp, leaveOutRam: boolean): Observable<never> =>
  concat(capabilities(qmp, leaveOutRam), qmp.run('migrate-incoming', { uri: 'fd:3' }), finished(qmp));

const capabilities = (qmp: Qmp, leaveOutRam: boolean): Observable<never> =>
  qmp.run('migrate-set-capabilities', {
    capabilities: [{ capability: 'x-ignore-shared', state: leaveOutRam }],
  });

const finished = (qmp: Qmp): Observable<never> =>
  defer(() => qmp.ask('query-migrate', progress)).pipe(
    repeat({ delay: lookEveryMs }),
    tap(({ status, 'error-desc': reason = 'QEMU does not say why' }) => {
      if (status === 'failed' || status === 'cancelled')
        throw new Error(`the state was not moved: ${reason}`);
    }),
    takeWhile(({ status }) => status !== 'completed'),
    ignoreElements(),
  );

const quoted = (path: string): string => `'${path.replaceAll("'", String.raw`'\''`)}'`;

const progress = t.partial({ status: t.string, 'error-desc': t.string });
