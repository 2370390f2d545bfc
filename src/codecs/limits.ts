import * as t from 'io-ts';
import { integer, text } from './scalars.js';

const isShare = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0.01 && value <= 1_024;

const processors = new t.Type<number, number, unknown>(
  'processors (a number from 0.01 to 1024)',
  isShare,
  (value, context) => (isShare(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

const who = /^([a-z_][a-z0-9_.-]*\$?|\d{1,10})(:([a-z_][a-z0-9_.-]*\$?|\d{1,10}))?$/i;

/** Decodes who is to run something: a user and perhaps a group, by their names or numbers. */
export const userText = text(
  'a user, as "name", "uid", "name:group" or "uid:gid"',
  (value) => value.length <= 128 && who.test(value),
);

/** Decodes the limits of what runs as a process of a host, by the names of their fields. */
export const limitCodecs = {
  memoryMiB: integer('MiB', 4, 16_777_216),
  cpus: processors,
  pids: integer('processes and threads', 1, 4_194_304),
  openFiles: integer('files', 8, 1_073_741_816),
  user: userText,
};
