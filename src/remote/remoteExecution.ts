import type * as t from 'io-ts';
import { interval, Observable, Subscription } from 'rxjs';
import { isRecord } from '../codecs/closed.js';
import { execCredit, type execStart, outputOf, wireExecExit } from '../codecs/wire/wireExec.js';
import { ApiFailed } from '../lifecycle/errors.js';
import type { ExecOutput, Execution } from '../lifecycle/execution.js';
import { ReceiveWindow } from '../streams/receiveWindow.js';
import { SendWindow } from '../streams/sendWindow.js';
import { understood } from './callEvents.js';
import { failureOfStream } from './failures.js';
import type { WebSocketLike } from './openWebSocket.js';
import { Failure } from './retries.js';

/** A program that runs behind the API. Who leaves the connection kills it. */
export type RemoteExecution = Omit<Execution, 'kill'>;

/** How much output may come before it is read, in bytes: enough for a long way at some speed. */
const outputRoom = 2 ** 20;
/** How much is sent as one message, in bytes. */
const mostAtOnce = 64 * 1_024;
/** The server says something each 15 s: what is silent for so long is dead. */
const lookMs = 15_000;
const mostSilences = 3;

/** The connection was never open, so that only the API itself can tell why. */
export class NeverOpened extends Error {}

/**
 * Runs a program over a WebSocket, and emits it once that is open: what it writes comes as far as it is read. Completes when it has ended; unsubscribing
 * closes the connection, and so kills it.
 */
export const remoteExecution = (
  open: () => WebSocketLike,
  request: Omit<t.TypeOf<typeof execStart>, 'credit'>,
): Observable<RemoteExecution> =>
  new Observable((subscriber) => {
    const socket = open();
    socket.binaryType = 'arraybuffer';
    const outputs = new Outputs();
    const inputWindow = new SendWindow();
    const say = (message: object): void => {
      socket.send(JSON.stringify(message));
    };
    const outputWindow = new ReceiveWindow(outputRoom, (bytes) => {
      say({ type: 'credit', bytes });
    });
    const link = new Subscription();
    let isOpen = false;
    let silences = 0;
    let reason = 'its connection was cut';

    const execution: RemoteExecution = {
      read: async () => {
        const output = await outputs.take();
        if (output !== undefined && output.kind !== 'exit' && !link.closed)
          outputWindow.take(output.data.length);
        return output;
      },
      write: async (data) => {
        for (let from = 0; from < data.length; from += mostAtOnce) {
          const piece = data.subarray(from, from + mostAtOnce);
          await inputWindow.take(piece.length);
          if (link.closed) return;
          socket.send(piece);
        }
      },
      endInput: () => {
        if (!link.closed) say({ type: 'end' });
      },
    };

    const hear = (data: unknown): void => {
      silences = 0;
      if (typeof data !== 'string') {
        const output = outputOf(new Uint8Array(data as ArrayBuffer));
        if (output === undefined || !outputWindow.receive(output.data.length)) throw broken();
        outputs.add(output);
        return;
      }
      const message: unknown = JSON.parse(data);
      const { type } = isRecord(message) ? message : {};
      if (type === 'credit') inputWindow.grant(understood(execCredit, message).bytes);
      else if (type === 'failed') throw failureOfStream(message);
      else if (type === 'exit') {
        outputs.add({ kind: 'exit', ...understood(wireExecExit, message) });
        outputs.end();
        subscriber.complete();
      }
    };

    socket.onopen = () => {
      isOpen = true;
      say({ ...request, credit: outputRoom });
      subscriber.next(execution);
    };
    socket.onmessage = ({ data }) => {
      if (link.closed) return;
      try {
        hear(data);
      } catch (error) {
        subscriber.error(error instanceof Failure ? error : broken());
      }
    };
    socket.onerror = ({ message }) => {
      if (typeof message === 'string' && message !== '') reason = message;
    };
    socket.onclose = (event) => {
      const why = event.reason === '' ? reason : event.reason;
      subscriber.error(isOpen ? new Failure(new ApiFailed({ reason: why }), false) : new NeverOpened(why));
    };

    link.add(
      interval(lookMs).subscribe(() => {
        silences += 1;
        if (silences >= mostSilences)
          subscriber.error(new Failure(new ApiFailed({ reason: 'it is silent' }), false));
      }),
    );
    link.add(() => {
      inputWindow.close();
      socket.close();
    });
    return link;
  });

const broken = (): Failure => new Failure(new ApiFailed({ reason: 'what it says is not understood' }), false);

/** What was told and is not read yet. */
class Outputs {
  private readonly waiting: ExecOutput[] = [];
  private wake: () => void = () => undefined;
  private isOver = false;

  add(output: ExecOutput): void {
    this.waiting.push(output);
    this.wake();
  }

  end(): void {
    this.isOver = true;
    this.wake();
  }

  async take(): Promise<ExecOutput | undefined> {
    for (;;) {
      const output = this.waiting.shift();
      if (output !== undefined || this.isOver) return output;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
