import {
  catchError,
  defer,
  merge,
  mergeMap,
  type Observable,
  shareReplay,
  Subject,
  take,
  tap,
  throwError,
} from 'rxjs';
import { connectQmp, type Qmp } from './qmp.js';

/** The one connection to a QEMU: made when it is first needed, and anew when it was lost. */
export interface QmpLink {
  /** Works with it; fails with what keeps it from being made. */
  use<T>(work: (qmp: Qmp) => Observable<T>): Observable<T>;
  /** Ends it, also one that is being made. */
  close(): void;
}

/** Creates a {@link QmpLink} to the QEMU that listens at a path; `connect` is how. */
export function createQmpLink(
  path: string,
  connect: (path: string) => Observable<Qmp> = connectQmp,
): QmpLink {
  let connection$: Observable<Qmp> | undefined;
  let connected: Qmp | undefined;

  const closed$ = new Subject<void>();

  const lose = (): void => {
    connection$ = undefined;
    connected = undefined;
  };

  const forgetWhenLost = ({ events$ }: Qmp): void => {
    events$.subscribe({ complete: lose });
  };

  const open = (): Observable<Qmp> =>
    merge(
      defer(() => connect(path)),
      closed$.pipe(mergeMap(() => throwError(() => new Error('the connection to QEMU was closed')))),
    ).pipe(
      take(1),
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
      closed$.next();
      connected?.close();
    },
  };
}
