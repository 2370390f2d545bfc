import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { closed } from '../codecs/closed.js';
import type { LockHolder } from '../lifecycle/errors.js';

/** What the holder of a lock tells to everybody who connects. */
export const encodeHolder = (holder: LockHolder): string => JSON.stringify(holder);

/**
 * Asks who listens on a socket: `dead` when nobody does, `gone` when somebody did just now, `undefined` when it can't be
 * told, be it for want of an answer within 3 s.
 */
export async function askHolder(path: string): Promise<LockHolder | 'dead' | 'gone' | undefined> {
  const socket = connect({ path, timeout: answerMs });
  socket.on('timeout', () => socket.destroy(new Error('no answer')));
  try {
    const answer = await text(socket);
    return answer === '' ? 'gone' : decodeHolder(answer);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') return 'dead';
    return ['ENOENT', 'ECONNRESET'].includes(code) ? 'gone' : undefined;
  }
}

function decodeHolder(answer: string): LockHolder | undefined {
  const decoded = holder.decode(JSON.parse(answer));
  return E.isRight(decoded) ? decoded.right : undefined;
}

const answerMs = 3_000;

const holder = closed('a holder', { pid: t.number, host: t.string, since: t.number }, {});
