import { fork } from 'node:child_process';
import { join } from 'node:path';
import { NotRun, type Row } from './bench.js';
import type { Answer, Question } from './messages.js';

/** A contender in its process. */
export interface Contestant {
  readonly name: string;
  /** Makes it ready for a row and checks that it gives the right answer. @throws {@link NotRun} where it has no figure */
  open(row: Row): Promise<void>;
  sample(): Promise<number>;
  close(): Promise<void>;
  /** Ends its process. */
  end(): void;
}

const execArgv = ['--expose-gc', '--max-old-space-size=12288', '--require', 'ts-node/register'];

/** Starts the process of a contender. */
export function startContestant(bench: string, name: string): Contestant {
  const child = fork(join(__dirname, 'contenderProcess.ts'), [bench, name], { execArgv });
  let ended: Answer | undefined;
  let hear: (answer: Answer) => void = () => undefined;

  child.on('message', (answer: Answer) => {
    hear(answer);
  });
  child.on('exit', (code, signal) => {
    ended = { kind: 'failed', why: `its process ended with ${String(code ?? signal)}` };
    hear(ended);
  });

  const ask = async (question: Question): Promise<Answer> => {
    const answer = await new Promise<Answer>((resolve) => {
      hear = resolve;
      if (ended === undefined) child.send(question);
      else resolve(ended);
    });
    if (answer.kind === 'failed') throw new Error(`${bench}, ${name}: ${answer.why}`);
    if (answer.kind === 'notRun') throw new NotRun(answer.why);
    return answer;
  };

  return {
    name,
    open: async (row) => {
      await ask({ kind: 'open', row });
    },
    sample: async () => {
      const answer = await ask({ kind: 'sample' });
      return answer.kind === 'figure' ? answer.figure : NaN;
    },
    close: async () => {
      await ask({ kind: 'close' });
    },
    end: () => {
      child.kill('SIGKILL');
    },
  };
}
