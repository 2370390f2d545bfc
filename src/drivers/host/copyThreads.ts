import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { copyText } from './copyText.js';
import type { CopyBatch, CopyDone, HashBatch, Hashed } from './copyThread.js';
import type { HashedFile } from './hashProgram.js';
import { createSlots } from './slots.js';

/** Threads that copy, shared by all who use them at a time. */
export interface CopyThreads {
  /** Copies a batch; nothing came of it, and nothing was copied, where no thread could be started. */
  copy(batch: CopyBatch): Promise<CopyDone | undefined>;
  /** Hashes files; nothing came of it where no thread could be started. */
  hash(files: readonly HashedFile[]): Promise<readonly Hashed[] | undefined>;
  /** With the last of those who use them the threads end. */
  close(): Promise<void>;
}

/** In all: with one a disk waits for the next file, and with more than there are processors each takes them from others. */
export const threadsAtOnce = Math.min(4, Math.max(2, availableParallelism()));
const slots = createSlots(threadsAtOnce);

let users = 0;
const idle: Worker[] = [];

/** Uses {@link CopyThreads}. One is started when there is something for it, which takes about 30 ms. */
export function useCopyThreads(): CopyThreads {
  users += 1;
  return {
    copy: (batch) => ask<CopyDone>(batch),
    hash: (files) => ask<readonly Hashed[]>({ files }),
    close: async () => {
      users -= 1;
      if (users === 0) await Promise.all(idle.splice(0).map((thread) => thread.terminate()));
    },
  };
}

const ask = <T>(batch: CopyBatch | HashBatch): Promise<T | undefined> =>
  slots.run(async () => {
    const thread = idle.pop() ?? (await start());
    if (thread === undefined) return undefined;
    const done = await answer<T>(thread, batch);
    idle.push(thread);
    return done;
  });

/** Nothing where that is not allowed, or cannot be done now. */
async function start(): Promise<Worker | undefined> {
  try {
    // Nothing that the application has its threads load: it would take longer than a copy.
    const thread = new Worker(copyText, { eval: true, execArgv: [], env: {}, name: 'copies' });
    await new Promise<void>((resolve, reject) => {
      thread.once('online', resolve);
      thread.once('error', reject);
    });
    thread.removeAllListeners();
    return thread;
  } catch {
    return undefined;
  }
}

async function answer<T>(thread: Worker, batch: CopyBatch | HashBatch): Promise<T> {
  try {
    return await new Promise((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', (code) => {
        reject(new Error(`a thread that copies ended with ${String(code)}`));
      });
      thread.postMessage(batch);
    });
  } finally {
    thread.removeAllListeners();
  }
}
