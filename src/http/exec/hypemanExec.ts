import { constants } from 'node:os';
import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { commonFields } from '../../codecs/commonFields.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer } from '../../codecs/scalars.js';
import { secret } from '../../codecs/secret.js';
import type { ExecRequest } from '../../instances/execRequest.js';
import { hasTag } from '../../lifecycle/errors.js';
import type { ExecExit, ExecOutput } from '../../lifecycle/execution.js';
import type { ApiContext } from '../apiContext.js';
import { paramOf } from '../apiRoute.js';
import { errorAnswer, isInside } from '../errorAnswers.js';
import { readJson } from '../readJson.js';
import { ClientInput } from './clientInput.js';
import { openClientSocket } from './clientSocket.js';
import { tellProgram } from './tellProgram.js';

/** How much of what a program is to read may wait here, in bytes; then its client is not listened to. */
const mostWaiting = 256 * 1_024;

const seconds = integer('seconds', 0, 1_000_000);
const noTerminal = t.literal(false, 'false (there are no terminals here)');

const start = closed(
  'what to run',
  {},
  {
    command: secret(t.readonlyArray(t.string, 'a list of texts')),
    tty: noTerminal,
    env: commonFields.env.asked,
    cwd: t.string,
    timeout: seconds,
    // Nothing has to be waited for.
    wait_for_agent: seconds,
  },
);

/**
 * Talks with a client as hypeman does: it asks by a text, sends what the program is to read as bytes, and is sent what that writes as bytes, both streams
 * as one, and the exit code as a text. Its input ends with its client.
 *
 * @see hypeman `cmd/api/api/exec.go`
 */
export function hypemanExec(
  socket: WebSocket,
  request: FastifyRequest,
  { manager, streams }: ApiContext,
): void {
  const input = new ClientInput(() => {
    if (input.waiting <= mostWaiting) client.resume();
  });
  let hasBegun = false;

  const tell = (output: ExecOutput): Promise<void> =>
    client.send(output.kind === 'exit' ? exitText(codeOf(output)) : output.data);

  const run = async (message: unknown): Promise<void> => {
    try {
      await tellProgram(client, manager.exec(paramOf(request), programOf(message, input)), tell);
    } catch (error) {
      const { status, body } = errorAnswer(error);
      if (isInside(status)) request.log.error({ err: error }, 'a program could not be run');
      await client.send(Buffer.from(`Error: ${body.message}\r\n`));
      await client.send(exitText(hasTag(error, 'ExecFailed') ? error.code : 127));
    }
    client.close(1000, 'it has ended');
  };

  const hear = (bytes: Buffer): void => {
    input.push(bytes);
    if (input.waiting > mostWaiting) client.pause();
  };

  const client = openClientSocket(socket, request, streams, {
    text: (text) => {
      if (hasBegun) {
        hear(text);
        return;
      }
      hasBegun = true;
      void run(readJson(text));
    },
    bytes: (bytes) => {
      if (!hasBegun) throw new Error('nothing has been asked for');
      hear(bytes);
    },
  });
  client.gone$.subscribe(() => {
    input.end();
  });
}

function programOf(message: unknown, stdin: ClientInput): ExecRequest {
  const asked = decodeOrThrow(start, message ?? {});
  const [command = '/bin/sh', ...args] = asked.command ?? [];
  return {
    ...{ command, args, stdin },
    ...(asked.env !== undefined && { env: asked.env }),
    ...(asked.cwd !== undefined && asked.cwd !== '' && { cwd: asked.cwd }),
    ...(asked.timeout !== undefined && asked.timeout > 0 && { timeoutMs: asked.timeout * 1_000 }),
  };
}

/** As shells, and the `timeout` of GNU, tell by a code what is none. */
function codeOf({ code, signal, timedOut }: ExecExit): number {
  if (timedOut === true) return 124;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return code ?? 128 + (numbers[signal ?? ''] ?? 0);
}

const exitText = (exitCode: number): string => JSON.stringify({ exitCode });
