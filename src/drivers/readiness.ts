import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { port, text } from '../codecs/scalars.js';
import { tagged } from '../codecs/tagged.js';

const isPattern = (source: string): boolean => {
  try {
    new RegExp(source, 'u');
    return true;
  } catch {
    return false;
  }
};

const pattern = text('a regular expression', isPattern);
const path = text('a path with its leading slash', (value) => /^\/[\x21-\x7e]*$/.test(value));

/** Decodes a {@link Readiness}. */
export const readiness = tagged('readiness', 'kind', {
  log: closed('readiness by log', { kind: t.literal('log'), pattern }, {}),
  tcp: closed('readiness by TCP', { kind: t.literal('tcp'), port }, {}),
  http: closed('readiness by HTTP', { kind: t.literal('http'), port, path }, {}),
});
