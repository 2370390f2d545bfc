import type { Observable } from 'rxjs';
import type { Cursor } from '../lifecycle/event.js';
import type { EventCriteria } from '../streams/eventCriteria.js';

/**
 * Endpoints of others to which events are sent, kept where the instances are. Each gets every event that it asks for at least once, one after
 * another in the order of the log, and none is held up by another.
 *
 * Every method returns a cold Observable: nothing happens before subscribe; one value, then complete. Fails with `StoreFailed`,
 * `ManagerClosed`, and where it takes an id with `WebhookNotFound`.
 */
export interface Webhooks {
  /**
   * Keeps an endpoint, and sends it what happens from now on. The secret is told now, and never again.
   *
   * @throws `InvalidRequest` for what can't be understood, for an address that is refused, and for one endpoint too many;
   * `NameTaken` for an id that there is already
   */
  add(request: WebhookRequest): Observable<AddedWebhook>;
  /** Emits an endpoint, and how it stands with it now. */
  get(id: string): Observable<Webhook>;
  /** Emits all, in the order of their ids. */
  list(): Observable<readonly Webhook[]>;
  /**
   * Signs with a new secret, and for some time with those from before too, so that the receiver can change over at leisure.
   *
   * @throws `InvalidRequest`
   */
  rotate(id: string, request?: RotationRequest): Observable<AddedWebhook>;
  /** Sends again to an endpoint that was disabled, from where it was; also begins anew to count how long it fails. */
  enable(id: string): Observable<Webhook>;
  /** Forgets an endpoint, and emits it as it was. A request to it that is under way is broken off. */
  remove(id: string): Observable<Webhook>;
  /** Emits what came of each attempt, and what became of endpoints, as it happens; completes when it is closed. */
  readonly reports$: Observable<WebhookReport>;
  /** What it has counted since it was opened, and how it stands now. */
  stats(): WebhookStats;
  /**
   * Breaks off what is under way and ends; the endpoints stay, and so do their places. Done by itself when the manager begins to
   * close.
   */
  close(): Promise<void>;
}

/** What is asked of an endpoint. */
export interface WebhookRequest {
  /** A name: 1 to 63 lower-case letters, digits and inner hyphens. @defaultValue an id that nobody has */
  readonly id?: string;
  /** Where events are sent by POST: `https`, at most 2048 characters, without a user or a fragment. */
  readonly url: string;
  /** Signs what is sent: `whsec_`, then 24 to 64 bytes in base64. @defaultValue 32 bytes by chance */
  readonly secret?: string;
  /** Which events to send. @defaultValue all */
  readonly filter?: EventCriteria;
}

/** How to change a secret. */
export interface RotationRequest {
  /** As in {@link WebhookRequest}. */
  readonly secret?: string;
  /** How long those from before go on to sign, in milliseconds; 0 to 30 days. @defaultValue a day */
  readonly keepMs?: number;
}

/** An endpoint, and how it stands. */
export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly filter: EventCriteria;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** What signs, newest first, by when it ends to; the newest has no end. The secrets themselves are told to nobody. */
  readonly secrets: readonly { readonly until?: number }[];
  readonly status: WebhookStatus;
}

/** An endpoint with the secret that it was given just now. */
export interface AddedWebhook extends Webhook {
  readonly secret: string;
}

/** How it stands with an endpoint. Times are Unix times in milliseconds. */
export interface WebhookStatus {
  /** `failing`: the event at hand was not taken yet. `disabled`: nothing is sent any more. */
  readonly state: 'active' | 'failing' | 'disabled';
  /** The last event with which it is done: taken, or not asked for. */
  readonly place: Cursor;
  /** How many events there are after that. */
  readonly lag: number;
  /** Attempts of the event at hand that came to nothing, since it was opened. */
  readonly attempts: number;
  /** How often the log had lost events before it came to them, since it was opened. */
  readonly expired: number;
  readonly lastDeliveredAt?: number;
  readonly failingSince?: number;
  readonly nextAttemptAt?: number;
  readonly lastFailure?: WebhookFailure;
  readonly disabledAt?: number;
  readonly disabledReason?: DisabledReason;
}

/** `failed`: for too long. `gone`: it answered 410. */
export type DisabledReason = 'failed' | 'gone';

/**
 * Why an attempt came to nothing.
 *
 * - `address`: it leads to an address that is refused.
 * - `connection`: there is no connection, or it was lost.
 * - `redirect`: it was answered with another address, which is not gone to.
 * - `status`: it was answered with another status than 2xx.
 * - `timeout`: it was not answered in time.
 */
export interface WebhookFailure {
  readonly kind: 'address' | 'connection' | 'redirect' | 'status' | 'timeout';
  /** What was answered, if anything. */
  readonly status?: number;
  readonly message: string;
}

/** What happened to an endpoint. */
export type WebhookReport = { readonly webhookId: string } & (
  | { readonly kind: 'delivered'; readonly cursor: Cursor }
  | { readonly kind: 'failed'; readonly cursor: Cursor; readonly failure: WebhookFailure }
  | { readonly kind: 'disabled'; readonly reason: DisabledReason }
  /** The log has lost events after `place`; it goes on with event `oldest`. */
  | { readonly kind: 'expired'; readonly place: Cursor; readonly oldest: number }
);

/** Counts of webhooks. */
export interface WebhookStats {
  /** Endpoints by their state. */
  readonly endpoints: Readonly<Record<WebhookStatus['state'], number>>;
  /** Attempts since it was opened, by what came of them. */
  readonly attempts: Readonly<Record<'delivered' | WebhookFailure['kind'], number>>;
  /** How often an endpoint had lost events. */
  readonly expired: number;
  /** How many events the endpoint is behind that is furthest behind, without those that are disabled. */
  readonly lag: number;
}
