import * as t from 'io-ts';
import { optional, required, wireObject } from './wireObject.js';

/** The wire form of a cause. */
export const wireCause = wireObject('a cause', {
  by: required('by', t.string),
  reason: optional('reason', t.string),
  requestId: optional('request_id', t.string),
  traceparent: optional('traceparent', t.string),
});
