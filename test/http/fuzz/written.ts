import { anySnapshot, type Body, type Drawn, type Part } from './drawn.js';
import type { Operation } from './operations.js';

/** A request as it is sent. */
export interface Written {
  readonly bytes: Buffer;
  /** Whose answer is looked for; none where another path or method was asked for. */
  readonly operation: Operation;
  readonly method: string;
  /** Its name, which the answer bears. */
  readonly id: string;
  /** Whether any server would know where it ends: then it is answered. */
  readonly isFramed: boolean;
  readonly takesTime: boolean;
}

/** Where and as whom it is asked. */
export interface Asker {
  readonly token: string | undefined;
  /** Ids of snapshots that there are. */
  readonly snapshots: readonly string[];
  readonly id: string;
}

/** What the parser of HTTP itself can't bear, or takes as the end of the connection or of the message. */
const breaking =
  /^(host|expect|upgrade|connection|x a|:|x-a$|x-a: [^\x20-\x7e]| |content-length|transfer-encoding)/i;

/** Writes a request as HTTP/1.1. */
export function written(drawn: Drawn, { token, snapshots, id }: Asker): Written {
  const { operation, method, headers } = drawn;
  const partOf = (part: Part): string =>
    typeof part === 'string' ? part : (snapshots[part.snapshot % (snapshots.length || 1)] ?? 'none');
  const path = drawn.parts.reduce<string>(
    (rest, part) => rest.replace(/\{\w+\}/, () => partOf(part)),
    operation.template,
  );
  const body = bytesOf(drawn.body, snapshots[0] ?? 'none');
  const has = (name: string): boolean =>
    headers.some((header) => header.toLowerCase().startsWith(`${name}:`));
  const { lines, payload } = framed(drawn, body);
  const head = [
    `${method} ${path}${drawn.query === '' ? '' : `?${drawn.query}`} HTTP/1.1`,
    ...(has('host') ? [] : ['host: localhost']),
    `x-request-id: ${id}`,
    ...(token === undefined || has('authorization') ? [] : [`authorization: Bearer ${token}`]),
    ...(body === undefined || has('content-type') ? [] : ['content-type: application/json']),
    ...headers,
    ...lines,
  ].join('\r\n');
  const isLarge = head.length > 15_000 || headers.length > 200;
  return {
    bytes: Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), payload]),
    operation,
    method,
    id,
    isFramed:
      ['length', 'chunked'].includes(drawn.framing) &&
      !headers.some((header) => breaking.test(header)) &&
      !isLarge &&
      /^[\x21-\x7e]*$/.test(`${path}${drawn.query}`) &&
      !['BREW', 'get'].includes(method),
    takesTime: operation.takesTime,
  };
}

function bytesOf(body: Body, snapshot: string): Buffer | undefined {
  if (body.kind === 'none') return undefined;
  return body.kind === 'raw'
    ? body.bytes()
    : Buffer.from(JSON.stringify(body.value).replace(anySnapshot, snapshot));
}

function framed(
  { framing }: Drawn,
  body: Buffer | undefined,
): { readonly lines: readonly string[]; readonly payload: Buffer } {
  const payload = body ?? Buffer.alloc(0);
  const length = (count: number): string => `content-length: ${String(count)}`;
  const chunked = 'transfer-encoding: chunked';
  const chunks = Buffer.concat([
    ...(payload.length === 0
      ? []
      : [Buffer.from(`${payload.length.toString(16)}\r\n`), payload, Buffer.from('\r\n')]),
    Buffer.from('0\r\n\r\n'),
  ]);
  switch (framing) {
    case 'length':
      return { lines: body === undefined ? [] : [length(payload.length)], payload };
    case 'chunked':
      return body === undefined ? { lines: [], payload } : { lines: [chunked], payload: chunks };
    case 'tooLong':
      return { lines: [length(payload.length + 7)], payload };
    case 'tooShort':
      return { lines: [length(Math.max(0, payload.length - 3))], payload };
    case 'both':
      return { lines: [length(payload.length), chunked], payload: chunks };
    case 'odd':
      return {
        lines: ['transfer-encoding: chunked, gzip, identity'],
        payload: Buffer.from('zz\r\n{}\r\n0\r\n\r\n'),
      };
    case 'none':
      return { lines: [], payload };
  }
}
