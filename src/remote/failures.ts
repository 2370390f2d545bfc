import * as E from 'fp-ts/lib/Either.js';
import { isRecord } from '../codecs/closed.js';
import { wireError } from '../codecs/wire/wireError.js';
import { ApiFailed, hasTag } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { Failure } from './retries.js';

const passing: ReadonlySet<number> = new Set([408, 429]);
const longestAfterMs = 60_000;

/** What an answer means that is no success; its body may be anything. */
export function failureOfAnswer(status: number, headers: Headers, body: unknown): Failure {
  const said = headers.get('x-should-retry');
  const error = errorOf(status, body);
  // What the verb itself came to it comes to each time that it is asked for by its name.
  const isPassing = hasTag(error, 'ApiFailed') && (passing.has(status) || status >= 500);
  const isWorthAgain = said === 'true' || (said !== 'false' && isPassing);
  const seconds = Number(headers.get('retry-after') ?? 0);
  const afterMs = seconds > 0 ? Math.min(seconds * 1_000, longestAfterMs) : 0;
  return new Failure(error, isWorthAgain, afterMs, status === 429);
}

/** What a stream means by its last words. */
export function failureOfStream(body: unknown): Failure {
  const { status, retry } = isRecord(body) ? body : {};
  const error = errorOf(typeof status === 'number' ? status : 500, body);
  return new Failure(error, retry === true && hasTag(error, 'ApiFailed'));
}

/** The connection failed, or what came by it is nothing that the API says. */
export const failureOfConnection = (cause: unknown): Failure =>
  new Failure(new ApiFailed({ reason: reasonOf(cause) }, { cause }), true);

/** `fetch` tells the reason by the cause of its error. */
function reasonOf(error: unknown): string {
  const { cause } = (isRecord(error) ? error : {}) as { readonly cause?: unknown };
  const more = cause === undefined ? '' : `: ${messageOf(cause) || codeOf(cause)}`;
  return `${messageOf(error)}${more}`;
}

/** Where several addresses were tried, only the code says what came of it. */
function codeOf(cause: unknown): string {
  const { code } = (isRecord(cause) ? cause : {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

function errorOf(status: number, body: unknown): Error {
  const { error, code, message } = isRecord(body) ? body : {};
  if (error !== undefined) {
    const decoded = wireError.decode(error);
    if (E.isRight(decoded)) return decoded.right;
  }
  const said = typeof message === 'string' ? `: ${message}` : '';
  return new ApiFailed({
    reason: `it answered ${String(status)}${said}`,
    status,
    ...(typeof code === 'string' && { code }),
  });
}
