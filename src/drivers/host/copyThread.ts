import type { CopiedEntry, Copies, CopyClones, CopyPlace, CopyRefusal, CopySteps } from './copyProgram.js';

/** Entries that a thread copies, one after another. */
export interface CopyBatch {
  readonly place: CopyPlace;
  readonly entries: readonly CopiedEntry[];
  readonly clones: CopyClones;
}

/** What came of a batch. */
export interface CopyDone {
  readonly clones: CopyClones;
  /** The entry at which it ended, and why; nothing where all were copied. */
  readonly failed?: {
    readonly index: number;
    /** The fields of an error of the system: between threads an error loses them. */
    readonly why: CopyRefusal | { readonly kind: 'error'; readonly fields: Partial<NodeJS.ErrnoException> };
  };
}

/** The program of a thread that copies batches, by calls that wait: it does nothing else. Only its text is handed to it. */
export function copyThread({ copyEntry }: Copies): void {
  const fs = process.getBuiltinModule('node:fs');
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const calls = fs as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

  const goOn = <T>(steps: CopySteps<T>): T => {
    let step = steps.next();
    while (step.done !== true) {
      let given: unknown;
      try {
        given = calls[`${step.value.name}Sync`]?.(...step.value.args);
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
      step = steps.next(given);
    }
    return step.value;
  };

  const copyAll = ({ place, entries, clones }: CopyBatch): CopyDone => {
    for (const [index, entry] of entries.entries()) {
      try {
        const why = goOn(copyEntry(place, entry, clones));
        if (why !== undefined) return { clones, failed: { index, why } };
      } catch (error) {
        const { message, code, path, syscall, errno } = error as NodeJS.ErrnoException;
        const fields = { message, code, path, syscall, errno } as Partial<NodeJS.ErrnoException>;
        return { clones, failed: { index, why: { kind: 'error', fields } } };
      }
    }
    return { clones };
  };

  parentPort?.on('message', (batch: CopyBatch) => {
    parentPort.postMessage(copyAll(batch));
  });
}
