import type { FastifyRequest } from 'fastify';
import * as t from 'io-ts';
import { decodeOrThrow } from '../../codecs/decode.js';
import type { Cursor } from '../../lifecycle/event.js';
import { actions } from '../../lifecycle/state.js';
import { meets } from '../../streams/eventCriteria.js';
import { described, describedObject, type ValueOf } from '../described.js';
import { instanceFilter } from '../queries.js';
import { several, text } from '../values.js';
import { cursorOf, cursorText } from '../../codecs/cursorText.js';
import type { EventSelection } from './liveEvents.js';

const placeCodec = new t.Type<Cursor, string, unknown>(
  'a cursor (the id of an event)',
  (value): value is Cursor => typeof value === 'object',
  (value, context) => {
    const place = typeof value === 'string' ? cursorOf(value) : undefined;
    return place === undefined ? t.failure(value, context) : t.success(place);
  },
  cursorText,
);

/** A place in the log, as an event's id tells it. */
export const place = described(placeCodec, { type: 'string', examples: ['k2vj:42'] });

/** Which events to send. */
export const eventQuery = describedObject(
  'query',
  {},
  { ...instanceFilter, action: several('actions', actions), name: text, after: place },
);

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

const reconnect = t.type({ 'last-event-id': placeCodec }, 'headers');

/** The place that a client names when it reconnects, or else the one that it asks for. @throws {@link InvalidRequest} */
export function placeOf({ headers }: FastifyRequest, asked: Cursor | undefined): Cursor | undefined {
  const { 'last-event-id': last = '' } = headers;
  return last === '' ? asked : decodeOrThrow(reconnect, headers)['last-event-id'];
}
