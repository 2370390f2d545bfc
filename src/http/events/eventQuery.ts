import type { FastifyRequest } from 'fastify';
import * as t from 'io-ts';
import { decodeOrThrow } from '../../codecs/decode.js';
import type { Cursor } from '../../lifecycle/event.js';
import { actions } from '../../lifecycle/state.js';
import { meets } from '../../streams/eventCriteria.js';
import { described, describedObject, type ValueOf } from '../described.js';
import { instanceFilter, number } from '../queries.js';
import { several, text } from '../values.js';
import { cursorCodec } from '../../codecs/wire/cursorText.js';
import type { EventSelection } from './liveEvents.js';

/** A place in the log, as an event's id tells it. */
export const place = described(cursorCodec, { type: 'string', examples: ['k2vj:42'] });

const eventKeys = { ...instanceFilter, action: several('actions', actions), name: text, after: place };

/** Which events to send. */
export const eventQuery = describedObject('query', {}, eventKeys);

/** The same, or how many of the log to answer with at once. */
export const logQuery = describedObject('query', {}, { ...eventKeys, limit: number('events', 1, 1_000) });

/** The events of a query, of one instance or of all. */
export function eventSelection(
  { action, name, after, ...filter }: ValueOf<typeof eventQuery>,
  instanceId?: string,
): EventSelection {
  const among = action === undefined ? undefined : [action].flat();
  const asked = {
    ...filter,
    ...(among !== undefined && { action: among }),
    ...(name !== undefined && { name }),
    ...(instanceId !== undefined && { instanceId }),
  };
  return {
    key: JSON.stringify([
      instanceId,
      among && [...new Set(among)].sort(),
      name,
      filter.state,
      filter.driver,
      filter.tags,
    ]),
    wants: meets(asked),
  };
}

const reconnect = t.type({ 'last-event-id': cursorCodec }, 'headers');

/** The place that a client names when it reconnects, or else the one that it asks for. @throws {@link InvalidRequest} */
export function placeOf({ headers }: FastifyRequest, asked: Cursor | undefined): Cursor | undefined {
  const { 'last-event-id': last = '' } = headers;
  return last === '' ? asked : decodeOrThrow(reconnect, headers)['last-event-id'];
}
