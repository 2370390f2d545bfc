import type { Cursor } from '../../lifecycle/event.js';

/** A cursor as the `id:` of a server-sent event: what `Last-Event-ID` and `?after=` bring back. */
export const cursorText = ({ epoch, sequence }: Cursor): string =>
  `${encodeURIComponent(epoch)}:${String(sequence)}`;

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
