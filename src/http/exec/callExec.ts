import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import { isRecord } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { execMessage, execStart, wireExecExit, wireOutput } from '../../codecs/wire/wireExec.js';
import type { ExecRequest } from '../../instances/execRequest.js';
import type { ExecOutput } from '../../lifecycle/execution.js';
import { ReceiveWindow } from '../../streams/receiveWindow.js';
import { SendWindow } from '../../streams/sendWindow.js';
import type { ApiContext } from '../apiContext.js';
import { failureBody } from '../failureBody.js';
import { readJson } from '../readJson.js';
import { ClientInput } from './clientInput.js';
import { openClientSocket } from './clientSocket.js';
import { tellProgram } from './tellProgram.js';

/** How much of what a program is to read may wait here, in bytes. */
const inputRoom = 256 * 1_024;

/** Talks with a client in the language of this package: all that `exec` of a manager takes and tells, with back-pressure both ways. */
export function callExec(socket: WebSocket, request: FastifyRequest, { manager, streams }: ApiContext): void {
  const say = (type: string, fields: object = {}): Promise<void> =>
    client.send(JSON.stringify({ type, ...fields }));
  const outputWindow = new SendWindow();
  const inputWindow = new ReceiveWindow(inputRoom, (bytes) => void say('credit', { bytes }));
  const input = new ClientInput((bytes) => {
    inputWindow.take(bytes);
  });
  let hasBegun = false;

  const tell = async (output: ExecOutput): Promise<void> => {
    if (output.kind === 'exit') return say('exit', wireExecExit.encode(output));
    await outputWindow.take(output.data.length);
    await client.send(wireOutput(output));
  };

  const begin = async (message: unknown): Promise<void> => {
    const { arguments: given, credit, stdin = false } = decodeOrThrow(execStart, message);
    outputWindow.grant(credit);
    if (stdin) void say('credit', { bytes: inputRoom });
    const [idOrName, asked] = given as readonly [string, ExecRequest];
    const program = stdin && isRecord(asked) ? { ...asked, stdin: input } : asked;
    await tellProgram(client, manager.exec(idOrName, program), tell);
  };

  const run = async (message: unknown): Promise<void> => {
    try {
      await begin(message);
    } catch (error) {
      await say('failed', failureBody(error, request.log));
    }
    client.close(1000, 'it has ended');
  };

  const client = openClientSocket(socket, request, streams, {
    text: (text) => {
      const message = readJson(text);
      if (!hasBegun) {
        hasBegun = true;
        void run(message);
        return;
      }
      const { type, bytes = 0 } = decodeOrThrow(execMessage, message);
      if (type === 'credit') outputWindow.grant(bytes);
      else input.end();
    },
    bytes: (bytes) => {
      if (!hasBegun || !inputWindow.receive(bytes.length)) throw new Error('nobody has asked for so much');
      input.push(bytes);
    },
    alive: () => void say('alive'),
  });
  client.gone$.subscribe(() => {
    outputWindow.close();
    input.end();
  });
}
