import { isUtf8 } from 'node:buffer';
import { catchError, mergeMap, noop, Observable, throwError } from 'rxjs';
import { FileFailed, hasTag, NotSupported } from '../../lifecycle/errors.js';
import type { Execution } from '../../lifecycle/execution.js';
import type { FileStat } from '../../lifecycle/fileStat.js';
import type { DriverFiles } from '../driver.js';
import { createSlots } from '../host/slots.js';
import type { AgentProgram } from './agentMessages.js';
import { type FoundInGuest, readGuestFileStats } from './guestFileStats.js';
import { linuxError } from './linuxErrors.js';

/** What is told of all that is in one directory may take so much: some hundred thousand names do. */
const mostToldBytes = 16 * 1_024 * 1_024;
/** Of those that end by themselves, in one guest: there is a bound to how many programs it runs. */
const asksAtOnce = 16;

/** One thing that is done with files, as the agent is told it. */
interface Ask {
  /** For who reads an error: `make` where the agent is told `mkdir`. */
  readonly verb: string;
  readonly path: string;
  readonly words: readonly string[];
}

/**
 * The files of a guest: each thing that is done with one is a program of the agent, whose output is what is read, and whose input is what is
 * written.
 */
export function createGuestFiles(run: (program: AgentProgram) => Observable<Execution>): DriverFiles {
  const slots = createSlots(asksAtOnce);

  const begin = ({ words }: Ask, hasInput: boolean): Observable<Execution> =>
    run({ command: ['', ...words], env: {}, hasInput, hasOutput: true, isOfFiles: true }).pipe(
      catchError((error: unknown) =>
        throwError(() => (hasTag(error, 'ExecFailed') && error.code === 127 ? notFound() : error)),
      ),
    );

  /** Does what ends by itself, and emits what is told then. */
  const told = <T>(ask: Ask, passed: number, read: (found: readonly FoundInGuest[]) => T): Observable<T> =>
    slot(slots, begin(ask, false).pipe(mergeMap(async (it) => read(await answerOf(it, ask, passed)))));

  const one = (verb: string, path: string, words: readonly string[], passed = 0): Observable<FileStat> =>
    told({ verb, path, words }, passed, (found) => onlyOf(found, path));

  return {
    stat: (path) => one('stat', path, ['stat', path]),
    mkdir: (path, { recursive = false, mode = 0o755 }) =>
      one('make', path, ['mkdir', path, mode.toString(8), ...(recursive ? ['recursive'] : [])]),
    remove: (path, { recursive = false }) =>
      one('remove', path, ['remove', path, '', ...(recursive ? ['recursive'] : [])]),
    rename: (source, target) => one('rename', target, ['rename', source, target], 1),

    list: (path) =>
      told({ verb: 'list', path, words: ['list', path] }, 0, (found) =>
        found
          .flatMap(({ name, ...rest }) => (isUtf8(name) ? [{ path: within(path, name), ...rest }] : []))
          .sort((a, b) => (a.path < b.path ? -1 : 1)),
      ),

    read: (path) => {
      const ask = { verb: 'read', path, words: ['read', path] };
      return opened(begin(ask, false), ask, (execution, first, complete) => {
        let begun = first;
        return {
          read: async () => {
            const data = begun.length > 0 ? begun : await nextOf(execution, ask);
            begun = nothing;
            if (data === undefined) complete();
            return data;
          },
        };
      });
    },

    write: (path, { mode }) => {
      const ask = { verb: 'write', path, words: ['write', path, mode?.toString(8) ?? ''] };
      return opened(begin(ask, true), ask, (execution, _, complete) => {
        let failure: { readonly error: unknown } | undefined;
        const answer = answerOf(execution, ask, 0);
        answer.catch((error: unknown) => (failure = { error }));
        return {
          write: async (data) => {
            if (data.length > 0) {
              await execution.write(lengthOf(data.length));
              await execution.write(data);
            }
            if (failure !== undefined) throw failure.error;
          },
          finish: async () => {
            await execution.write(lengthOf(0));
            const found = onlyOf(await answer, path);
            complete();
            return found;
          },
        };
      });
    },
  };
}

/** Emits what is made of a program, and of what it tells first, once that tells that it has begun; ends it once that is complete, fails, or is unsubscribed. */
const opened = <T>(
  execution$: Observable<Execution>,
  ask: Ask,
  make: (execution: Execution, first: Uint8Array, complete: () => void) => T,
): Observable<T> =>
  new Observable((subscriber) => {
    const complete = (): void => {
      subscriber.complete();
    };
    const begun$ = execution$.pipe(
      mergeMap(async (execution) => {
        const begun = await nextOf(execution, ask);
        if (begun === undefined) throw unreasonable();
        return { execution, first: begun.subarray(1) };
      }),
    );
    // It may end before all that it tells was read.
    return begun$.subscribe({
      next: ({ execution, first }) => {
        subscriber.next(make(execution, first, complete));
      },
      error: (error: unknown) => {
        subscriber.error(error);
      },
    });
  });

/** Waits until there is a slot, and holds it as long as something goes on. */
const slot = <T>(slots: ReturnType<typeof createSlots>, work$: Observable<T>): Observable<T> =>
  new Observable((subscriber) => {
    const goOn = (): void => {
      subscriber.add(slots.leave);
      if (!subscriber.closed) work$.subscribe(subscriber);
    };
    slots.enter().then(goOn, noop);
  });

/** The bytes that it tells next; `undefined` once it has ended well. */
async function nextOf(execution: Execution, { verb, path }: Ask): Promise<Uint8Array | undefined> {
  const output = await execution.read();
  if (output === undefined || (output.kind === 'exit' && output.code === 0)) return undefined;
  if (output.kind !== 'exit') return output.data;
  if (output.code === null) throw new Error('the virtual machine has ended');
  throw new FileFailed({ verb, path, code: linuxError(output.code) });
}

/** All that it tells until it ends well, but for some bytes at its beginning. */
async function answerOf(execution: Execution, ask: Ask, passed: number): Promise<readonly FoundInGuest[]> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const data = await nextOf(execution, ask);
    if (data === undefined) break;
    pieces.push(data);
    bytes += data.length;
    if (bytes > mostToldBytes) throw new FileFailed({ verb: ask.verb, path: ask.path, code: 'EOVERFLOW' });
  }
  const found = readGuestFileStats(Buffer.concat(pieces).subarray(passed));
  if (found === undefined) throw unreasonable();
  return found;
}

const onlyOf = ([found, ...others]: readonly FoundInGuest[], path: string): FileStat => {
  if (found === undefined || others.length > 0) throw unreasonable();
  const { name: _, ...rest } = found;
  return { path, ...rest };
};

/** The path of something in a directory. */
function within(path: string, name: Buffer): string {
  const text = name.toString();
  if (text === '' || text === '.' || text === '..' || /[/\0]/.test(text)) throw unreasonable();
  return path === '' ? text : `${path}/${text}`;
}

/** The agent is started anew for files: one that knows nothing of that finds no such program. */
const notFound = (): NotSupported =>
  new NotSupported({
    ...{ driver: 'qemu', verb: 'files' },
    reason:
      'the agent in its guest is of an earlier version than the image.json says, or has no /proc in which it finds itself',
  });

const unreasonable = (): Error => new Error('the agent in the guest said what cannot be');

const nothing = new Uint8Array(0);

const lengthOf = (length: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(length));
  return bytes;
};
