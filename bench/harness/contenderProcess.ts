/** Runs one contender of one bench in a process of its own: `contenderProcess.ts <bench> <contender>`, asked over IPC. */
import { NotRun, type Session } from './bench.js';
import type { Answer, Question } from './messages.js';
import { benchOf } from '../benches.js';

const [, , benchName = '', contenderName = ''] = process.argv;
let session: Session | undefined;

const contender = benchOf(benchName).contenders.find(({ name }) => name === contenderName);

async function answer(question: Question): Promise<Answer> {
  switch (question.kind) {
    case 'open':
      globalThis.gc?.();
      session = await contender?.open(question.row);
      await session?.check();
      // What it took to open is not what is sampled: V8 would still be at it, and everything take twice as long meanwhile.
      globalThis.gc?.();
      return { kind: 'done' };
    case 'sample':
      return { kind: 'figure', figure: (await session?.sample()) ?? NaN };
    case 'close':
      await session?.close?.();
      session = undefined;
      return { kind: 'done' };
  }
}

// Whoever asks is gone.
process.on('disconnect', () => process.exit());

process.on('message', (question: Question) => {
  answer(question)
    .catch((error: unknown): Answer => {
      if (error instanceof NotRun) return { kind: 'notRun', why: error.message };
      return { kind: 'failed', why: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    })
    .then((told) => process.send?.(told))
    .catch(() => process.exit(1));
});
