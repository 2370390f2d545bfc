import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { filter, firstValueFrom, ReplaySubject, Subject } from 'rxjs';

/** What a child is asked for: so many commits, so many at a time. */
export interface Request {
  readonly count: number;
  readonly atATime: number;
  /** Whether each change is written into a record of the table `claims` too, before it is told. */
  readonly withRecords?: boolean;
}

/** A change of which the store said that it is kept. */
export interface Ack {
  readonly sequence: number;
  readonly instanceId: string;
  readonly revision: number;
}

/** Fields of an error, and its text. */
export type Failure = Readonly<Record<string, unknown>>;

export type Answer =
  | ({ readonly kind: 'kept' } & Ack)
  /** The store is open, or what was asked for is done; or how that failed. */
  | { readonly kind: 'done'; readonly failure?: Failure };

/** A process that opens the store of a data directory, and works on it when asked to. */
export interface StoreProcess {
  readonly pid: number;
  /** Resolves once it has opened the store, or with the reason why it could not. */
  readonly opened: Promise<Failure | undefined>;
  /** Every change of which it was told that it is kept. */
  readonly acks: readonly Ack[];
  /** Resolves when all is done, or with the first failure. */
  commit(request: Request): Promise<Failure | undefined>;
  /** Resolves once so many changes are kept. */
  acked(count: number): Promise<unknown>;
  /** Forbids it to write any file beyond so many bytes. */
  limit(bytes: number): void;
  /** Resolves when it has ended. */
  kill(): Promise<unknown>;
  /** Lets it close the store, and resolves when it has ended. */
  end(): Promise<unknown>;
}

/** Who may read and write everything is started without that right. */
const plain =
  process.getuid?.() === 0
    ? { execPath: 'setpriv', first: ['--bounding-set=-all', '--inh-caps=-all', process.execPath] }
    : { execPath: process.execPath, first: [] };

/** Starts a {@link StoreProcess}, for which the modes of files hold. */
export function startStoreProcess(dataDir: string): StoreProcess {
  const child = fork('test/store/storeChild.ts', [dataDir], {
    execPath: plain.execPath,
    execArgv: [...plain.first, '--require', './scripts/typescript.cjs'],
    // lmdb has its own way to say that the disk is full.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const ended = once(child, 'exit');
  const acks: Ack[] = [];
  const acks$ = new ReplaySubject<number>(1);
  const done$ = new Subject<Failure | undefined>();
  child.on('message', (answer: Answer) => {
    if (answer.kind === 'done') done$.next(answer.failure);
    else acks$.next(acks.push(answer));
  });
  child.on('exit', () => {
    done$.next({ message: 'the process has ended' });
    acks$.complete();
  });

  return {
    pid: child.pid as number,
    opened: firstValueFrom(done$),
    acks,
    commit: (request) => {
      child.send(request);
      return firstValueFrom(done$);
    },
    acked: (count) => firstValueFrom(acks$.pipe(filter((kept) => kept >= count))),
    limit: (bytes) => {
      execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${String(bytes)}:`]);
    },
    kill: () => {
      child.kill('SIGKILL');
      return ended;
    },
    end: () => {
      child.disconnect();
      return ended;
    },
  };
}
