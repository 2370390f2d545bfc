import { catchError, defer, mergeMap, type Observable, shareReplay, tap, throwError } from 'rxjs';
import { connectQmp, type Qmp } from './qmp.js';

/** The one connection to a QEMU: made when it is first needed, and anew when it was lost. */
export interface QmpLink {
  /** Works with it; fails with what keeps it from being made. */
  use<T>(work: (qmp: Qmp) => Observable<T>): Observable<T>;
  close(): void;
}

/** Creates a {@link QmpLink} to the QEMU that listens at a path; `connect` is how. */
export function createQmpLink(
  path: string,
  connect: (path: string) => Observable<Qmp> = connectQmp,
): QmpLink {
  let connection$: Observable<Qmp> | undefined;
  let connected: Qmp | undefined;

  const lose = (): void => {
    connection$ = undefined;
    connected = undefined;
  };

  const forgetWhenLost = ({ events$ }: Qmp): void => {
    events$.subscribe({ complete: lose });
  };

  const open = (): Observable<Qmp> =>
    defer(() => connect(path)).pipe(
      tap((qmp) => {
        connected = qmp;
        forgetWhenLost(qmp);
      }),
      catchError((error: unknown) => {
        lose();
        return throwError(() => error);
      }),
      shareReplay({ bufferSize: 1, refCount: false }),
    );

  return {
    use: (work) => defer(() => (connection$ ??= open())).pipe(mergeMap(work)),
    close: () => {
      connected?.close();
    },
  };
}
