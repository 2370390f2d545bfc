import { Observable, timer } from 'rxjs';
import { type Dispatcher, request } from 'undici';
import type { WebhookFailure } from '../instances/webhooks.js';
import { AddressRefused } from './guardedAgent.js';

/** What came of one attempt. */
export interface Attempt {
  /** Absent where it was taken. */
  readonly failure?: WebhookFailure;
  /** What the receiver said of when to try again. */
  readonly retryAfter?: string;
}

/** What is sent, and where. */
export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends it once, and emits what came of it. Unsubscribing breaks it off. */
export type PostEvent = (post: Post) => Observable<Attempt>;

/** How much of an answer is read, for nothing but the sake of the connection. */
const mostAnswered = 65_536;

/** Creates a {@link PostEvent} that takes so long at most. Redirects are not followed, and of an answer its status is all that counts. */
export const createPostEvent =
  (dispatcher: Dispatcher, timeoutMs: number): PostEvent =>
  ({ url, headers, body }) =>
    new Observable((subscriber) => {
      const abort = new AbortController();
      let isLate = false;
      subscriber.add(() => {
        abort.abort();
      });
      subscriber.add(
        timer(timeoutMs).subscribe(() => {
          isLate = true;
          abort.abort();
        }),
      );
      const { signal } = abort;
      const tell = (attempt: Attempt): void => {
        subscriber.next(attempt);
        subscriber.complete();
      };
      request(url, { dispatcher, method: 'POST', headers, body, signal }).then(
        ({ statusCode, headers: answered, body: rest }) => {
          const { 'retry-after': retryAfter } = answered;
          const failure = failureOfStatus(statusCode);
          const told = (): void => {
            tell({
              ...(failure !== undefined && { failure }),
              ...(typeof retryAfter === 'string' && { retryAfter }),
            });
          };
          rest.dump({ limit: mostAnswered, signal }).then(told, told);
        },
        (error: unknown) => {
          tell({ failure: isLate ? late(timeoutMs) : failureOfError(error) });
        },
      );
    });

function failureOfStatus(status: number): WebhookFailure | undefined {
  if (status >= 200 && status < 300) return undefined;
  const kind = status >= 300 && status < 400 ? 'redirect' : 'status';
  return { kind, status, message: `it answered ${String(status)}` };
}

const late = (timeoutMs: number): WebhookFailure => ({
  kind: 'timeout',
  message: `no answer within ${String(timeoutMs)} ms`,
});

function failureOfError(error: unknown): WebhookFailure {
  if (error instanceof AddressRefused) return { kind: 'address', message: error.message };
  // Its message may name addresses of the network in which this host is.
  const { code } = error as { readonly code?: unknown };
  const message = typeof code === 'string' ? `no connection: ${code}` : 'no connection';
  return { kind: code === 'UND_ERR_CONNECT_TIMEOUT' ? 'timeout' : 'connection', message };
}
