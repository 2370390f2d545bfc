import { STATUS_CODES } from 'node:http';
import { describeFault, type Fault, type InstanceError, isInstanceError } from '../lifecycle/errors.js';
import { Refusal } from './refusal.js';
import { wirePathOf } from './wirePath.js';

/** How a request is answered that failed. */
export interface ErrorAnswer {
  readonly status: number;
  readonly body: { readonly code: string; readonly message: string };
  readonly headers: Readonly<Record<string, string>>;
}

type Tag = InstanceError['_tag'];
type Row<Failure> = readonly [status: number, code: string, message?: string | ((error: Failure) => string)];

const internal = [500, 'internal_error'] as const;
const notFound = [404, 'not_found', 'resource not found'] as const;

/**
 * How each error of this package is told: status, code, and the message where it is not the error's own. Statuses and codes are hypeman's
 * where it has the error. Whatever is 500 or more has one message, so that nothing of the inside is told.
 *
 * @see hypeman `cmd/api/api/instances.go`
 */
const rows: { readonly [T in Tag]: Row<Extract<InstanceError, { readonly _tag: T }>> } = {
  InvalidRequest: [400, 'invalid_request', ({ faults }) => faults.map(faultText).join('; ')],
  InstanceNotFound: notFound,
  SnapshotNotFound: notFound,
  WebhookNotFound: notFound,
  LogNotFound: [404, 'log_not_found'],
  AmbiguousName: [409, 'ambiguous', 'multiple resources match, use full ID'],
  NameTaken: [409, 'name_conflict'],
  Conflict: [409, 'conflict'],
  InvalidState: [409, 'invalid_state'],
  SnapshotDamaged: [409, 'snapshot_damaged', 'the files of the snapshot are not what they were'],
  SnapshotIncompatible: [409, 'snapshot_incompatible', 'the memory cannot be gone on from here'],
  ConsumerTaken: [409, 'consumer_taken'],
  CursorExpired: [410, 'cursor_expired'],
  ExecFailed: [
    422,
    'exec_failed',
    ({ code }) => (code === 127 ? 'there is no such program' : 'the program cannot be run'),
  ],
  FileFailed: [422, 'file_failed'],
  NotSupported: [501, 'not_supported'],
  ManagerClosed: [503, 'unavailable'],
  TooManyConsumers: [503, 'unavailable'],
  SubscriberLagged: internal,
  LaunchFailed: internal,
  DriverFailed: internal,
  LogUnreadable: internal,
  StoreFailed: internal,
  StateUnreadable: internal,
  DataDirLocked: internal,
  // Of a manager from afar.
  ApiFailed: [502, 'bad_gateway'],
};

/** What hypeman tells otherwise at one of its operations. */
const exceptions: Readonly<Record<string, Partial<Record<Tag, Row<InstanceError>>>>> = {
  // Its document says 409, its server 400.
  createInstance: { NameTaken: [400, 'name_conflict'] },
  waitForState: { InstanceNotFound: [404, 'not_found', 'instance was deleted while waiting'] },
};

/** Codes of hypeman's for what is wrong with one field of a request. */
const codesByField: ReadonlyMap<string, string> = new Map(
  Object.entries({
    size: 'invalid_size',
    memory_mib: 'invalid_size',
    hotplug_size: 'invalid_hotplug_size',
    overlay_size: 'invalid_overlay_size',
    disk_io_bps: 'invalid_disk_io_bps',
    ttl: 'invalid_ttl',
    expires_at: 'invalid_expires_at',
    auto_standby: 'invalid_auto_standby',
    health_check: 'invalid_health_check',
    restart_policy: 'invalid_restart_policy',
    snapshot_policy: 'invalid_snapshot_policy',
    platform: 'invalid_platform',
    compression: 'invalid_snapshot_compression',
    compression_delay: 'invalid_compression_delay',
    timeout: 'invalid_timeout',
  }),
);

const codeOfFaults = (faults: readonly Fault[]): string | undefined => {
  const codes = new Set(faults.map(({ path }) => codesByField.get(/^\w+/.exec(wirePathOf(path))?.[0] ?? '')));
  const [only] = codes;
  return codes.size === 1 ? only : undefined;
};

const faultText = (fault: Fault): string => describeFault({ ...fault, path: wirePathOf(fault.path) });

/** What is told of each status that Fastify or Node comes to by itself: in its own words a message may name a path. */
const plainMessages: Readonly<Record<number, string>> = {
  400: 'the request cannot be understood',
  404: 'there is nothing here',
  408: 'the request took too long to come',
  413: 'the body is too large',
  414: 'the address is too long',
  415: 'a body has to be application/json',
  417: 'what is expected is not known',
  429: 'too many requests, try again later',
  431: 'the headers are too large',
};

/** Statuses that a client may try again as it is; of the others that are the caller's fault it would come to the same. */
const passing: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Tells how to answer what failed, at an operation of the document if it was one. */
export function errorAnswer(error: unknown, operation?: string): ErrorAnswer {
  if (isInstanceError(error)) return answerTo(error, operation);
  if (error instanceof Refusal) return answer(error.statusCode, error.code, error.message, error.headers);
  const status = (error as { readonly statusCode?: unknown } | undefined)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) return plainAnswer(status);
  return answer(...internal);
}

/** Answers with a status and the words that go with it. */
export const plainAnswer = (status: number): ErrorAnswer =>
  answer(status, STATUS_CODES[status] ?? 'error', plainMessages[status]);

function answerTo(error: InstanceError, operation: string | undefined): ErrorAnswer {
  const exception = operation === undefined ? undefined : exceptions[operation]?.[error._tag];
  const [status, code, message = error.message] = exception ?? (rows[error._tag] as Row<InstanceError>);
  const byField = error._tag === 'InvalidRequest' ? codeOfFaults(error.faults) : undefined;
  const text = typeof message === 'function' ? message(error) : message;
  // A machine that can't be launched can't the next time either; what a client repeats by itself would only take longer to fail.
  const headers: Record<string, string> = error._tag === 'LaunchFailed' ? { 'x-should-retry': 'false' } : {};
  return answer(status, byField ?? code, text, headers);
}

/** What is answered so is told of to nobody but the log. */
export const isInside = (status: number): boolean => status >= 500 && status !== 501;

function answer(
  status: number,
  code: string,
  message = STATUS_CODES[status] ?? 'error',
  headers: Readonly<Record<string, string>> = {},
): ErrorAnswer {
  const told = isInside(status) ? 'the server could not do this; its log says why' : message;
  return {
    status,
    body: { code, message: told },
    headers: { ...(!passing.has(status) && { 'x-should-retry': 'false' }), ...headers },
  };
}
