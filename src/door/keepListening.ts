import { catchError, concat, defer, Observable, of, retry, switchMap, tap, timer } from 'rxjs';
import type { Socket } from 'node:net';
import { messageOf } from '../lifecycle/messageOf.js';
import { backoffMs } from './backoff.js';
import type { DoorSettings } from './doorOptions.js';
import { listen } from './listen.js';
import type { ToldStatus } from './toldStatus.js';

/** What is listened on, and for whom. */
export interface ListenedPort {
  readonly instanceId: string;
  readonly guest: number;
  readonly host: number | undefined;
}

/**
 * Listens for a published port until unsubscribed: on the port that was asked for, else on the one that was chosen for it before, else
 * on a free one, which is then kept. What is taken is tried again and again, and never replaced. Emits each change, never errors.
 */
export function keepListening(
  { instanceId, guest, host: asked }: ListenedPort,
  { host, keptPorts, logger }: DoorSettings,
  onClient: (client: Socket) => void,
): Observable<ToldStatus> {
  return new Observable<ToldStatus>((subscriber) => {
    const kept = (): number | undefined => keptPorts?.of(instanceId, guest);
    let chosen = asked === 0 ? undefined : asked;
    const fields = { instanceId, guest };
    const tell = (state: ToldStatus['state'], reason?: string): void => {
      const address = chosen === undefined ? {} : { address: { host, port: chosen } };
      subscriber.next({ ...fields, state, ...address, ...(reason !== undefined && { reason }) });
    };

    const save = (port: number): Observable<never> => {
      if (chosen !== undefined) return concat();
      chosen = port;
      if (keptPorts === undefined) return concat();
      return keptPorts.save(instanceId, guest, port).pipe(
        catchError((error: unknown) => {
          logger.warn({ ...fields, port, err: error }, 'the port that was chosen could not be kept');
          return concat();
        }),
      );
    };

    const listen$ = defer(() => {
      chosen ??= kept();
      return listen({ host, port: chosen ?? 0 }, onClient);
    }).pipe(
      switchMap((port) => concat(save(port), of(port))),
      tap(() => {
        tell('listening');
      }),
      retry({
        resetOnSuccess: true,
        delay: (error: unknown, failures) => {
          const reason = messageOf(error);
          logger.warn({ ...fields, port: chosen, err: error }, 'a published port cannot be listened on');
          tell('retrying', reason);
          return timer(backoffMs(failures));
        },
      }),
    );
    return listen$.subscribe({
      error: (error: unknown) => {
        subscriber.error(error);
      },
    });
  });
}
