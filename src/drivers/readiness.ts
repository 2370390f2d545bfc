import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { integer, longestTimerMs, port, text } from '../codecs/scalars.js';
import { tagged } from '../codecs/tagged.js';
import { refusalOf } from './linePattern.js';

const anyText = text(
  'a regular expression (at most 500 characters; no look-around, no back-references, few repetitions)',
  () => true,
);
const isPattern = (value: unknown): value is string => anyText.is(value) && refusalOf(value) === undefined;

/** Decodes a line pattern; of one that is refused it says why. */
const pattern = new t.Type(
  anyText.name,
  isPattern,
  (value, context) => {
    const refusal = anyText.is(value) ? refusalOf(value) : undefined;
    if (refusal !== undefined) return t.failure(value, context, `${anyText.name}: ${refusal}`);
    return anyText.validate(value, context);
  },
  t.identity,
);
const path = text('a path with its leading slash', (value) => /^\/[\x21-\x7e]*$/.test(value));

const deadline = { timeoutMs: integer('milliseconds', 1, longestTimerMs) };

/** Decodes a {@link Readiness}. */
export const readiness = tagged('readiness', 'kind', {
  log: closed('readiness by log', { kind: t.literal('log'), pattern }, deadline),
  tcp: closed('readiness by TCP', { kind: t.literal('tcp'), port }, deadline),
  http: closed('readiness by HTTP', { kind: t.literal('http'), port, path }, deadline),
});
