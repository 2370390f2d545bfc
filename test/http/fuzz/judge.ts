import type { HeardAnswer } from './answers.js';
import type { Written } from './written.js';

/** Statuses that may come to something else the next time. */
const passing: ReadonlySet<number> = new Set([408, 429, 503]);

const errorForm = (body: unknown): boolean =>
  typeof body === 'object' &&
  body !== null &&
  typeof (body as { readonly code?: unknown }).code === 'string' &&
  typeof (body as { readonly message?: unknown }).message === 'string' &&
  Object.keys(body).every((key) => ['code', 'message', 'error'].includes(key));

/** What no answer tells: where the program lies, whereof it is made. */
const inside = /node_modules|FST_|\\n\s+at |\.[cm]?[jt]s:\d|ERR_[A-Z]|HPE_/;

/** What is wrong with an answer to a request; nothing with one that is as it has to be. */
export function faultOf(answer: HeardAnswer, request: Written): string | undefined {
  const { status, headers, text, isWhole } = answer;
  const { operation, method, id } = request;
  const answered = headers.get('x-request-id');
  if (request.isFramed && answered !== undefined && answered !== id)
    return `the answer is that to another request: ${answered} instead of ${id}`;
  if (inside.test(text)) return 'the answer tells of the inside';
  if (status >= 500 && status !== 501 && status !== 503) return `the status is ${String(status)}`;
  const retry = headers.get('x-should-retry');
  if (status >= 400 && (retry === 'false') === passing.has(status))
    return `x-should-retry is ${String(retry)} with ${String(status)}`;
  if (!isWhole || method === 'HEAD') return undefined;
  const type = headers.get('content-type') ?? '';
  if (status >= 400) return faultOfError(type, text);
  // Another method may be another operation.
  if (method !== operation.method || !request.isFramed) return undefined;
  // So may be another path, by a part that is empty or leads elsewhere.
  return operation.faultOf(status, type, text);
}

function faultOfError(type: string, text: string): string | undefined {
  if (!type.startsWith('application/json')) return `an error is told as "${type}"`;
  try {
    return errorForm(JSON.parse(text)) ? undefined : 'an error is no { code, message }';
  } catch {
    return 'an error is no JSON';
  }
}
