import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { wireError } from '../codecs/wire/wireError.js';
import {
  DriverFailed,
  hasTag,
  isInstanceError,
  LaunchFailed,
  SnapshotDamaged,
  SnapshotIncompatible,
} from '../lifecycle/errors.js';
import { errorAnswer, type ErrorAnswer, isInside } from './errorAnswers.js';

/** What a failure of a call is answered with: as everywhere, and the error itself as far as that tells nothing of the inside. */
function failureOf(error: unknown): ErrorAnswer {
  const { body, ...answer } = errorAnswer(error);
  const shown = shownOf(error, answer.status);
  if (shown === undefined) return { ...answer, body };
  const { cause, ...told } = wireError.encode(shown) as Readonly<Record<string, unknown>>;
  // The cause of an error is of the inside, unless it was written here.
  const fields = shown === error ? told : { ...told, cause };
  return { ...answer, body: { ...body, error: fields } as ErrorAnswer['body'] };
}

/** An error without what it tells of files and programs of the server; nothing where that is all that it is about. */
function shownOf(error: unknown, status: number): Error | undefined {
  if (hasTag(error, 'LaunchFailed'))
    return new LaunchFailed({ reason: error.reason === 'timeout' ? 'timeout' : inLog.message });
  if (hasTag(error, 'DriverFailed'))
    return new DriverFailed({ instanceId: error.instanceId, verb: error.verb }, { cause: inLog });
  if (hasTag(error, 'SnapshotDamaged'))
    return new SnapshotDamaged({ snapshotId: error.snapshotId, differences: [] });
  if (hasTag(error, 'SnapshotIncompatible')) return new SnapshotIncompatible({ differences: [] });
  return isInside(status) || !isInstanceError(error) ? undefined : error;
}

/** Stands for what a driver says. */
const inLog = new Error('the log of its server says why');

/** The same where an answer has begun: what it is told of by its status then stands beside it. */
export function failureBody(error: unknown, log: FastifyBaseLogger): object {
  const { status, body, headers } = failureOf(error);
  if (isInside(status)) log.error({ err: error }, 'a call failed');
  return { ...body, status, retry: headers['x-should-retry'] !== 'false' };
}

/** Answers what failed so: the handler of errors of a route. */
export function tellFailure(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { status, headers, body } = failureOf(error);
  if (isInside(status)) request.log.error({ err: error }, 'a call failed');
  void reply.code(status).headers(headers).send(body);
}
