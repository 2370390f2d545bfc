import * as t from 'io-ts';
import { abortSignal } from '../codecs/abortSignal.js';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { integer, longestTimerMs, text } from '../codecs/scalars.js';
import { traceparent } from '../codecs/traceparent.js';
import type { ChangeAndLaunchOptions, EnsureOptions } from '../instances/callOptions.js';
import type { Cause } from '../lifecycle/cause.js';

/** What can be said of a call besides who asks: what it changes has a revision, what it launches takes its time. */
export type CallKind = keyof typeof codecs;

const isWord = (value: string): boolean => /^[a-z][a-z0-9_]{0,63}$/.test(value);
/** Decodes a word that names something. */
export const word = text('a lower-case letter, then up to 63 of lower-case letters, digits and _', isWord);
const managersOwn: ReadonlySet<string> = new Set(['machine', 'deadline', 'recovery', 'close']);
/** Decodes the name of somebody who calls verbs. */
export const callerName = text(
  `${word.name}, none of ${[...managersOwn].join(', ')}`,
  (value) => isWord(value) && !managersOwn.has(value),
);

/** The keys that every call has. */
export const callKeys = { by: callerName, reason: word, traceparent, signal: abortSignal };
const requestId = text('1 to 128 printable characters of ASCII, without spaces', (value) =>
  /^[\x21-\x7e]{1,128}$/.test(value),
);

const mutation = { ...callKeys, requestId };
const change = { expectedRevision: integer('revision', 1, Number.MAX_SAFE_INTEGER) };
const launch = { timeoutMs: integer('milliseconds', 0, longestTimerMs) };

const codecs = {
  mutation: closed('call options', {}, mutation),
  change: closed('call options', {}, { ...mutation, ...change }),
  launch: closed('call options', {}, { ...mutation, ...launch }),
  changeAndLaunch: closed('call options', {}, { ...mutation, ...change, ...launch }),
} satisfies Readonly<Record<string, t.Mixed>>;

/** Decodes how a verb is called. @throws {@link InvalidRequest} */
export const decodeCallOptions = (kind: CallKind, options: unknown): ChangeAndLaunchOptions =>
  decodeOrThrow<ChangeAndLaunchOptions>(codecs[kind], options);

const ensure = closed('call options', {}, { ...mutation, ...change, ...launch, replace: t.boolean });

/** Decodes how `ensure` is called. @throws {@link InvalidRequest} */
export const decodeEnsureOptions = (options: unknown = {}): EnsureOptions =>
  decodeOrThrow<EnsureOptions>(ensure, options);

/** The cause of what comes of a call. */
export const causeOf = ({
  by: who = 'caller',
  reason,
  requestId: named,
  traceparent: trace,
}: ChangeAndLaunchOptions): Cause => ({
  by: who,
  ...(reason !== undefined && { reason }),
  ...(named !== undefined && { requestId: named }),
  ...(trace !== undefined && { traceparent: trace }),
});
