import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { port, text } from '../codecs/scalars.js';
import { tagged } from '../codecs/tagged.js';
import { linePattern } from './linePattern.js';

const pattern = text(
  'a regular expression (at most 500 characters; no look-around, no back-references, few repetitions)',
  (source) => linePattern(source) !== undefined,
);
const path = text('a path with its leading slash', (value) => /^\/[\x21-\x7e]*$/.test(value));

/** Decodes a {@link Readiness}. */
export const readiness = tagged('readiness', 'kind', {
  log: closed('readiness by log', { kind: t.literal('log'), pattern }, {}),
  tcp: closed('readiness by TCP', { kind: t.literal('tcp'), port }, {}),
  http: closed('readiness by HTTP', { kind: t.literal('http'), port, path }, {}),
});
