import { closed, isRecord } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { integer } from '../codecs/scalars.js';
import type { ExecRequest, Executions } from '../instances/execRequest.js';
import type { ExecExit } from '../lifecycle/execution.js';
import { createLastBytes } from '../streams/lastBytes.js';

/** What to run in an instance, and how much to keep of what it writes. */
export interface GatheredExecRequest extends ExecRequest {
  /**
   * How much is gathered of each stream, in bytes, at most 256 MiB. What comes before the last so many bytes is left out, and
   * {@link ExecOutcome.truncated} says so.
   *
   * @defaultValue 16 MiB
   */
  readonly outputMaxBytes?: number;
}

/** What became of a program that ran in an instance. */
export interface ExecOutcome extends ExecExit {
  /** What it wrote to its standard output, as UTF-8. */
  readonly stdout: string;
  /** What it wrote to its standard error, as UTF-8. */
  readonly stderr: string;
  /** Whether something of it is missing: what came before the last {@link GatheredExecRequest.outputMaxBytes} of a stream. */
  readonly truncated: boolean;
}

const own = closed('how to gather', {}, { outputMaxBytes: integer('bytes', 0, 2 ** 28) });
const defaultBytes = 16 * 2 ** 20;

/** Runs a program to its end, as fast as its output is gathered. */
export const gatheredExec =
  (manager: Executions) =>
  async (idOrName: string, request: GatheredExecRequest): Promise<ExecOutcome> => {
    const { outputMaxBytes, ...rest } = isRecord(request) ? request : ({} as GatheredExecRequest);
    const { outputMaxBytes: mostBytes = defaultBytes } = decodeOrThrow(own, { outputMaxBytes });
    const streams = { stdout: createLastBytes(mostBytes), stderr: createLastBytes(mostBytes) };
    let exit: ExecExit = { code: null, signal: null };
    for await (const output of manager.exec(idOrName, isRecord(request) ? rest : request)) {
      if (output.kind !== 'exit') streams[output.kind].add(output.data);
      else {
        const { kind, ...how } = output;
        exit = how;
      }
    }
    const { stdout, stderr } = streams;
    return {
      ...exit,
      ...{ stdout: stdout.text(), stderr: stderr.text(), truncated: stdout.isCut() || stderr.isCut() },
    };
  };
