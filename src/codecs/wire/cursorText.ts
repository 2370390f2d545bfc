import * as t from 'io-ts';
import type { Cursor } from '../../lifecycle/event.js';

/** A cursor as a text: the `id:` of a server-sent event, which `Last-Event-ID` and `?after=` bring back, and the `webhook-id` of a webhook. */
export const cursorText = ({ epoch, sequence }: Cursor): string =>
  // What is signed of a webhook is divided by dots.
  `${encodeURIComponent(epoch).replaceAll('.', '%2E')}:${String(sequence)}`;

/** The cursor that a text names, or `undefined` where it names none. */
export function cursorOf(text: string): Cursor | undefined {
  const [, name = '', number = ''] = /^([\w.!~*'()%-]{1,384}):(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  const sequence = Number(number);
  if (name === '' || !Number.isSafeInteger(sequence)) return undefined;
  try {
    return { epoch: decodeURIComponent(name), sequence };
  } catch {
    return undefined;
  }
}

/** Decodes a cursor of its text. */
export const cursorCodec = new t.Type<Cursor, string, unknown>(
  'a cursor (the id of an event)',
  (value): value is Cursor => typeof value === 'object',
  (value, context) => {
    const place = typeof value === 'string' ? cursorOf(value) : undefined;
    return place === undefined ? t.failure(value, context) : t.success(place);
  },
  cursorText,
);
