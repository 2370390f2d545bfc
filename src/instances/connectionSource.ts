import type { Observable } from 'rxjs';

/** A TCP connection of a client to a port of an instance. */
export interface Connection {
  readonly instanceId: string;
  /** The port within the instance. */
  readonly guest: number;
  /** Where the client is. */
  readonly source: { readonly address: string; readonly port: number };
  /** When it was opened, or first seen: Unix time in milliseconds. */
  readonly since: number;
}

/** What a {@link ConnectionSource} tells. After `reset` some changes may have been missed: the table has to be read. */
export type ConnectionChange =
  { readonly kind: 'opened' | 'closed'; readonly connection: Connection } | { readonly kind: 'reset' };

/** Who knows which clients are connected to instances. What it tells is a hint; its table is the truth. */
export interface ConnectionSource {
  /** A short fixed word for it, such as `front_door`. */
  readonly name: string;
  /** Emits changes as they come. Never completes while its source is there, and never errors: a loss is a `reset`. */
  readonly changes$: Observable<ConnectionChange>;
  /** Emits all connections that there are when it is subscribed to, then completes; fails where the table can't be read. */
  read(): Observable<readonly Connection[]>;
}
