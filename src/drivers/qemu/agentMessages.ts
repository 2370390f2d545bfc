import { constants } from 'node:os';

/** What is under way of a stream, and not acknowledged, at most. In bytes, as all here. */
export const ringBytes = 128 * 1_024;
/** What one frame holds of a stream at most. */
export const pieceBytes = 16 * 1_024;
/** What a program may have of arguments and variables. */
export const mostProgramBytes = 768 * 1_024;
/** How many programs a guest runs at once. */
export const mostExecs = 64;

const headerBytes = 9;
const [helloType, attachType, clockType, identityType, execType] = [1, 2, 3, 4, 5];
const [inputType, inputEndType, ackType, killType, dropType, leaveType] = [6, 7, 8, 9, 10, 11];
const [helloBackType, attachedType, startedType, failedType] = [65, 66, 67, 68];
const [outputType, takenType, exitedType] = [69, 70, 71];

/** The two streams of a program, as the agent counts them. */
export const outputKinds = ['stdout', 'stderr'] as const;

/** What the guest says, checked as far as that can be without knowing what it was told. */
export type AgentMessage =
  | { readonly kind: 'hello'; readonly nonce: Buffer }
  | { readonly kind: 'attached'; readonly ids: readonly number[] }
  | { readonly kind: 'started'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly at: string; readonly errno: number }
  | {
      readonly kind: 'output';
      readonly id: number;
      readonly stream: 0 | 1;
      readonly offset: number;
      readonly data: Buffer;
    }
  /** `here` is what it has of the input, `taken` what the program has read of it; `Infinity` where nobody reads it any more. */
  | { readonly kind: 'taken'; readonly id: number; readonly here: number; readonly taken: number }
  | {
      readonly kind: 'exited';
      readonly id: number;
      readonly code: number | null;
      readonly signal: string | null;
      /** Where its streams end. */
      readonly ends: readonly [number, number];
    };

function frame(type: number, id: number, body: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes);
  header[0] = type;
  header.writeUInt32LE(id, 1);
  header.writeUInt32LE(body.length, 5);
  return Buffer.concat([header, body]);
}

const offsetOf = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

const texts = (...all: readonly string[]): Buffer => Buffer.from(all.map((text) => `${text}\0`).join(''));
const nothing = Buffer.alloc(0);

/** What it has come to with a program that goes on. */
export interface Known {
  readonly id: number;
  readonly acked: readonly [number, number];
}

/** What to run, all of it said. */
export interface AgentProgram {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** @defaultValue where the agent runs */
  readonly cwd?: string;
  readonly hasInput: boolean;
  readonly hasOutput: boolean;
  /** What the agent itself does with files: `command` is its words, the first of which is empty. @defaultValue false */
  readonly isOfFiles?: boolean;
}

/** The frames that the guest is sent. */
export const agentFrames = {
  hello: (nonce: Buffer): Buffer => frame(helloType, 0, nonce),
  /** The programs that go on; all others are killed. */
  attach: (known: readonly Known[]): Buffer =>
    frame(
      attachType,
      0,
      Buffer.concat(
        known.flatMap(({ id, acked }) => {
          const number = Buffer.alloc(4);
          number.writeUInt32LE(id);
          return [number, ...acked.map(offsetOf)];
        }),
      ),
    ),
  /** Nanoseconds since 1970. */
  clock: (nanoseconds: bigint): Buffer => {
    const body = Buffer.alloc(8);
    body.writeBigUInt64LE(nanoseconds);
    return frame(clockType, 0, body);
  },
  /** A guest that was another before gets this name and machine id. */
  identity: (id: string, name: string, machineId: string): Buffer =>
    frame(identityType, 0, texts(id, name, machineId)),
  exec: (
    id: number,
    { command, env, cwd = '', hasInput, hasOutput, isOfFiles = false }: AgentProgram,
  ): Buffer => {
    const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    const head = Buffer.alloc(5);
    head[0] = (hasInput ? 1 : 0) + (hasOutput ? 2 : 0) + (isOfFiles ? 4 : 0);
    head.writeUInt16LE(command.length, 1);
    head.writeUInt16LE(variables.length, 3);
    return frame(execType, id, Buffer.concat([head, texts(cwd, ...command, ...variables)]));
  },
  input: (id: number, offset: number, data: Buffer): Buffer =>
    frame(inputType, id, Buffer.concat([offsetOf(offset), data])),
  inputEnd: (id: number, offset: number): Buffer => frame(inputEndType, id, offsetOf(offset)),
  ack: (id: number, stream: 0 | 1, offset: number): Buffer =>
    frame(ackType, id, Buffer.concat([Buffer.of(stream), offsetOf(offset)])),
  kill: (id: number): Buffer => frame(killType, id, nothing),
  /** Kills it, and is told no more of it. */
  drop: (id: number): Buffer => frame(dropType, id, nothing),
  /** Kills all. */
  leave: (): Buffer => frame(leaveType, 0, nothing),
};

const signalNames = new Map(
  // Of two names of one number the first is the usual one.
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

/** What a frame of the guest says; `undefined` where that is nothing that can be understood. */
export function readMessage(bytes: Buffer): AgentMessage | undefined {
  if (bytes.length < headerBytes || bytes.readUInt32LE(5) !== bytes.length - headerBytes) return undefined;
  const body = bytes.subarray(headerBytes);
  const read = readers.get(bytes[0] ?? 0);
  return read?.fits(body.length) === true ? read.read(body, bytes.readUInt32LE(1)) : undefined;
}

interface MessageReader {
  fits(bytes: number): boolean;
  read(body: Buffer, id: number): AgentMessage | undefined;
}

const exactly =
  (wanted: number) =>
  (bytes: number): boolean =>
    bytes === wanted;

/** A number that is exact; `undefined` for one that no guest comes to. */
const offsetAt = (body: Buffer, at: number): number | undefined => {
  const value = body.readBigUInt64LE(at);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
};

const nobodyReads = 2n ** 64n - 1n;

const readers = new Map<number, MessageReader>([
  [helloBackType, { fits: exactly(16), read: (nonce) => ({ kind: 'hello', nonce }) }],
  [
    attachedType,
    {
      fits: (bytes) => bytes % 4 === 0 && bytes <= mostExecs * 4,
      read: (body) => ({
        kind: 'attached',
        ids: Array.from({ length: body.length / 4 }, (_, index) => body.readUInt32LE(index * 4)),
      }),
    },
  ],
  [startedType, { fits: exactly(0), read: (_, id) => ({ kind: 'started', id }) }],
  [
    failedType,
    {
      fits: exactly(5),
      read: (body, id) => ({
        ...{ kind: 'failed', id, at: String.fromCharCode(body[0] ?? 0), errno: body.readInt32LE(1) },
      }),
    },
  ],
  [
    outputType,
    {
      fits: (bytes) => bytes > 9 && bytes <= pieceBytes + 9,
      read: (body, id) => {
        const [stream, offset] = [body[0], offsetAt(body, 1)];
        if (offset === undefined || (stream !== 0 && stream !== 1)) return undefined;
        return { kind: 'output', id, stream, offset, data: body.subarray(9) };
      },
    },
  ],
  [
    takenType,
    {
      fits: exactly(16),
      read: (body, id) => {
        const here = offsetAt(body, 0);
        const taken = body.readBigUInt64LE(8) === nobodyReads ? Infinity : offsetAt(body, 8);
        return here === undefined || taken === undefined ? undefined : { kind: 'taken', id, here, taken };
      },
    },
  ],
  [
    exitedType,
    {
      fits: exactly(18),
      read: (body, id) => {
        const [isSignal, value] = [body[0] === 1, body[1] ?? 0];
        const [stdout, stderr] = [offsetAt(body, 2), offsetAt(body, 10)];
        if (stdout === undefined || stderr === undefined) return undefined;
        return {
          ...{ kind: 'exited', id, ends: [stdout, stderr] },
          code: isSignal ? null : value,
          signal: isSignal ? (signalNames.get(value) ?? `SIG${String(value)}`) : null,
        };
      },
    },
  ],
]);
