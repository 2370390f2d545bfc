import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { wireError } from '../codecs/wire/wireError.js';
import { hasTag, isInstanceError, SnapshotDamaged, SnapshotIncompatible } from '../lifecycle/errors.js';
import { errorAnswer, type ErrorAnswer, isInside } from './errorAnswers.js';

/** What a failure of a call is answered with: as everywhere, and the error itself as far as that tells nothing of the inside. */
function failureOf(error: unknown): ErrorAnswer {
  const { body, ...answer } = errorAnswer(error);
  const { status } = answer;
  if (isInside(status) || !isInstanceError(error)) return { ...answer, body };
  const { cause, ...told } = wireError.encode(withoutPaths(error)) as Readonly<Record<string, unknown>>;
  return { ...answer, body: { ...body, error: told } as ErrorAnswer['body'] };
}

/** Of files of the server nothing is told. */
function withoutPaths(error: Error): Error {
  if (hasTag(error, 'SnapshotDamaged'))
    return new SnapshotDamaged({ snapshotId: error.snapshotId, differences: [] });
  return hasTag(error, 'SnapshotIncompatible') ? new SnapshotIncompatible({ differences: [] }) : error;
}

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
