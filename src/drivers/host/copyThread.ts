import type { HashedFile, HashFile } from './hashProgram.js';
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

/** Files that a thread hashes. */
export interface HashBatch {
  readonly files: readonly HashedFile[];
}

/** What came of each. */
export type Hashed =
  | { readonly kind: 'pieces'; readonly pieces: readonly string[] }
  | { readonly kind: 'error'; readonly fields: Partial<NodeJS.ErrnoException> };

/** The program of a thread that copies and hashes batches, by calls that wait: it does nothing else. Only its text is handed to it. */
export function copyThread({ copyEntry }: Copies, hashFile: HashFile): void {
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

  const fieldsOf = (error: unknown): Partial<NodeJS.ErrnoException> => {
    const { message, code, path, syscall, errno } = error as NodeJS.ErrnoException;
    return { message, code, path, syscall, errno };
  };

  const hashed = (file: HashedFile): Hashed => {
    try {
      return { kind: 'pieces', pieces: hashFile(file) };
    } catch (error) {
      return { kind: 'error', fields: fieldsOf(error) };
    }
  };

  const copyAll = ({ place, entries, clones }: CopyBatch): CopyDone => {
    for (const [index, entry] of entries.entries()) {
      try {
        const why = goOn(copyEntry(place, entry, clones));
        if (why !== undefined) return { clones, failed: { index, why } };
      } catch (error) {
        return { clones, failed: { index, why: { kind: 'error', fields: fieldsOf(error) } } };
      }
    }
    return { clones };
  };

  parentPort?.on('message', (batch: CopyBatch | HashBatch) => {
    parentPort.postMessage('files' in batch ? batch.files.map(hashed) : copyAll(batch));
  });
}
