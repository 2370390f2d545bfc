import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { connect, type Socket } from 'node:net';
import { closed } from '../codecs/closed.js';
import { integer, text } from '../codecs/scalars.js';
import type { LockHolder } from '../lifecycle/errors.js';

/** What the holder of a lock tells to everybody who connects. */
export const encodeHolder = (holder: LockHolder): string => JSON.stringify(holder);

/**
 * Asks who listens on a socket: `dead` when nobody does, `gone` when somebody did just now, `undefined` when it can't be
 * told: there is no answer that can be understood within 4 KiB and the time given.
 */
export async function askHolder(
  path: string,
  withinMs: number,
): Promise<LockHolder | 'dead' | 'gone' | undefined> {
  const socket = connect({ path, signal: AbortSignal.timeout(Math.ceil(withinMs)) });
  try {
    const answer = await firstOf(socket);
    return answer === '' ? 'gone' : decodeHolder(answer);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') return 'dead';
    return ['ENOENT', 'ECONNRESET'].includes(code) ? 'gone' : undefined;
  } finally {
    socket.destroy();
  }
}

const longest = 4_096;

/** All that is said, unless that is more than can be the answer. */
async function firstOf(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of socket as AsyncIterable<Buffer>) {
    parts.push(part);
    size += part.length;
    if (size > longest) throw new Error('the answer has no end');
  }
  return Buffer.concat(parts).toString();
}

const decodeHolder = (answer: string): LockHolder | undefined =>
  pipe(
    E.tryCatch(
      () => JSON.parse(answer) as unknown,
      () => undefined,
    ),
    E.chainW((value) => holder.decode(value)),
    E.match(
      () => undefined,
      (known) => known,
    ),
  );

const holder = closed(
  'a holder',
  {
    pid: integer('a process', 1, 2 ** 31 - 1),
    host: text('the name of a host', (value) => value.length <= 255 && !/[^\x21-\x7e]/.test(value)),
    since: integer('a time', 0, 8.64e15),
  },
  {},
);
