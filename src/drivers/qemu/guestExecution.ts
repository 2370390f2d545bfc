import { ExecFailed } from '../../lifecycle/errors.js';
import type { ExecOutput, Execution } from '../../lifecycle/execution.js';
import {
  agentFrames,
  type AgentMessage,
  type AgentProgram,
  type Known,
  outputKinds,
  ringBytes,
} from './agentMessages.js';
import { execFailure } from './execFailure.js';
import { createGuestInput } from './guestInput.js';
import { createGuestOutput } from './guestOutput.js';

/** A program in a guest, as it is known here. It goes on over a connection that is lost, as long as its machine does. */
export interface GuestExecution extends Execution {
  /** Resolves once it runs; rejects with {@link ExecFailed}. */
  readonly started: Promise<void>;
  /** Resolves once nothing of it is left, and all that it wrote was read. */
  readonly over: Promise<void>;
  /** What the guest says of it; false where that cannot be. */
  take(message: AgentMessage): boolean;
  /** The guest can be told of it, and has it or not: it goes on there, or is begun, unless it was there before. */
  attach(isThere: boolean): void;
  /** Nobody can be told of it, until `attach`. */
  detach(): void;
  /** What the guest has to know of it to go on; `undefined` where it has not begun there. */
  known(): Known | undefined;
  /** Nobody will ever tell more of it. What it wrote until then can be read. */
  lose(error?: ExecFailed): void;
  /** Gives up what was not read. */
  close(): void;
}

const nobodyKnows: ExecOutput = { kind: 'exit', code: null, signal: null };

/** What is read, before the guest is told so: it has room for more until then. */
const ackedAtOnce = ringBytes / 4;

/** Creates a {@link GuestExecution}; `send` is called between `attach` and `detach`. */
export function createGuestExecution(
  id: number,
  program: AgentProgram,
  send: (frame: Buffer) => void,
): GuestExecution {
  const queue = createGuestOutput();
  const received: [number, number] = [0, 0];
  const acked: [number, number] = [0, 0];
  const told: [number, number] = [0, 0];
  const input = createGuestInput(id, send);
  let exit: ExecOutput | undefined;
  let [hasBegun, isStarted, isAttached, isKilled, isTold] = [false, false, false, false, false];
  let wake: (() => void) | undefined;
  let begin: () => void;
  let fail: (error: Error) => void;
  let finish: () => void;
  const started = new Promise<void>((resolve, reject) => {
    [begin, fail] = [resolve, reject];
  });
  started.catch(() => undefined);
  const over = new Promise<void>((resolve) => (finish = resolve));

  const changed = (): void => {
    if (exit !== undefined && queue.isEmpty()) finish();
    wake?.();
    wake = undefined;
  };

  const end = (how: ExecOutput): void => {
    exit ??= how;
    input.close();
    changed();
  };

  const lose = (error = new ExecFailed({ reason: 'the virtual machine has ended', code: 126 })): void => {
    fail(error);
    end(nobodyKnows);
  };

  const tellRead = (stream: 0 | 1): void => {
    if (!isAttached || exit !== undefined || acked[stream] - told[stream] < ackedAtOnce) return;
    told[stream] = acked[stream];
    send(agentFrames.ack(id, stream, acked[stream]));
  };

  const takeOutput = (stream: 0 | 1, offset: number, data: Buffer): boolean => {
    const fits = offset === received[stream] && offset + data.length - told[stream] <= ringBytes;
    if (!fits || !program.hasOutput || exit !== undefined) return false;
    received[stream] += data.length;
    queue.push(stream, data);
    changed();
    return true;
  };

  return {
    started,
    over,

    take: (message) => {
      isStarted = true;
      switch (message.kind) {
        case 'started':
          begin();
          return true;
        case 'failed':
          fail(execFailure(program, message));
          end(nobodyKnows);
          return true;
        case 'output':
          return takeOutput(message.stream, message.offset, message.data);
        case 'taken':
          return exit !== undefined || input.take(message.here, message.taken);
        case 'exited': {
          const { ends, code, signal } = message;
          if (exit !== undefined) return true;
          if (ends[0] !== received[0] || ends[1] !== received[1]) return false;
          begin();
          end({ kind: 'exit', code, signal });
          return true;
        }
        default:
          return false;
      }
    },

    attach: (isThere) => {
      isAttached = true;
      if (!isThere && isStarted) {
        lose(new ExecFailed({ reason: 'the virtual machine has forgotten it', code: 126 }));
        return;
      }
      if (!isThere) {
        hasBegun = true;
        send(agentFrames.exec(id, program));
        input.take(0, 0);
      }
      if (isKilled) send(agentFrames.kill(id));
    },

    detach: () => {
      isAttached = false;
      input.hold();
    },

    known: () => {
      if (!hasBegun) return undefined;
      if (exit === undefined) {
        // What was not read comes again.
        queue.clear();
        for (const stream of [0, 1] as const) received[stream] = told[stream] = acked[stream];
      }
      return { id, acked: exit === undefined ? acked : received };
    },

    lose,

    close: () => {
      queue.clear();
      end(nobodyKnows);
    },

    read: async () => {
      for (;;) {
        const piece = queue.shift();
        if (piece !== undefined) {
          acked[piece.stream] += piece.data.length;
          tellRead(piece.stream);
          changed();
          return { kind: outputKinds[piece.stream], data: piece.data };
        }
        if (exit !== undefined) {
          if (isTold) return undefined;
          isTold = true;
          return exit;
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },

    write: (data) => (program.hasInput ? input.write(data) : Promise.resolve()),
    endInput: () => {
      if (program.hasInput) input.end();
    },

    kill: () => {
      isKilled = true;
      if (isAttached && exit === undefined) send(agentFrames.kill(id));
    },
  };
}
