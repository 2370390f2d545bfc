import { concat, firstValueFrom, map, NEVER, type Observable, of, range, Subject, throwError } from 'rxjs';
import { type ExecInput, SubscriberLagged } from 'rx-instances';
import { feedInput } from '../../src/streams/feedInput.js';

interface Reader {
  readonly read: string[];
  /** Takes what it was handed. */
  take(): void;
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
}

function reader(isQuick = true): Reader {
  const read: string[] = [];
  let taken: () => void = () => undefined;
  return {
    read,
    take: () => {
      taken();
    },
    write: (data) => {
      read.push(Buffer.from(data).toString());
      return isQuick ? Promise.resolve() : new Promise((resolve) => (taken = resolve));
    },
    endInput: () => read.push('end'),
  };
}

const fed = async (input: ExecInput): Promise<readonly string[]> => {
  const program = reader();
  await firstValueFrom(feedInput(program, input), { defaultValue: undefined });
  return program.read;
};

async function* generated(): AsyncGenerator<string> {
  yield await Promise.resolve('a');
  yield 'b';
}

it.each<[string, ExecInput, readonly string[]]>([
  ['a text', 'ü\n', ['ü\n', 'end']],
  ['no text', '', ['', 'end']],
  ['bytes', Buffer.from('abc'), ['abc', 'end']],
  ['a list', ['a', Buffer.from('b')], ['a', 'b', 'end']],
  ['an async generator', generated(), ['a', 'b', 'end']],
  ['an Observable', of('a', 'b'), ['a', 'b', 'end']],
  ['a Promise', Promise.resolve('a'), ['a', 'end']],
])('%s is handed over, and then its end', async (_, input, read) => {
  await expect(fed(input)).resolves.toEqual(read);
});

it('asks a source that can be held up for the next only once the last was taken', async () => {
  let asked = 0;
  const counting = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve({ done: false, value: String((asked += 1)) } as const),
    }),
  };
  const program = reader(false);
  const feeding = feedInput(program, counting).subscribe();
  await new Promise((turn) => setImmediate(turn));
  expect(asked).toBe(1);
  program.take();
  await new Promise((turn) => setImmediate(turn));
  expect(asked).toBe(2);
  feeding.unsubscribe();
});

it('fails where its source does, and the input has no end then', async () => {
  const program = reader();
  const broken$ = concat(
    of('a'),
    throwError(() => new Error('the source broke')),
  );
  await expect(firstValueFrom(feedInput(program, broken$))).rejects.toThrow('the source broke');
  expect(program.read).toEqual(['a']);
});

it('fails for what is neither text nor bytes', async () => {
  await expect(firstValueFrom(feedInput(reader(), of(1) as never))).rejects.toThrow('texts or bytes');
});

it('of an Observable 1,024 values wait, and with one more it fails', async () => {
  const values = (count: number): Observable<string> => range(0, count).pipe(map((value) => String(value)));
  // All at once: none is asked for before the last.
  const enough = feedInput(reader(false), concat(values(1_024), NEVER)).subscribe();
  await new Promise((turn) => setImmediate(turn));
  expect(enough.closed).toBe(false);
  enough.unsubscribe();
  await expect(firstValueFrom(feedInput(reader(false), values(1_025)))).rejects.toBeInstanceOf(
    SubscriberLagged,
  );
});

it('unsubscribes from its source when it is unsubscribed, and ends a generator', async () => {
  const source$ = new Subject<string>();
  const feeding = feedInput(reader(), source$).subscribe();
  expect(source$.observed).toBe(true);
  feeding.unsubscribe();
  expect(source$.observed).toBe(false);
  let isOver = false;
  const turn = (value: string): Promise<string> =>
    new Promise((resolve) => {
      setImmediate(resolve, value);
    });
  async function* endless(): AsyncGenerator<string> {
    try {
      for (;;) yield await turn('a');
    } finally {
      isOver = true;
    }
  }
  const other = feedInput(reader(), endless()).subscribe();
  await new Promise((turn) => setImmediate(turn));
  other.unsubscribe();
  await new Promise((turn) => setImmediate(turn));
  expect(isOver).toBe(true);
});

it('of a source that fails over its end, once nobody wants it any more, nobody hears', async () => {
  const heard: unknown[] = [];
  const hear = (error: unknown): void => {
    heard.push(error);
  };
  process.on('unhandledRejection', hear);
  const failing = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => undefined),
      return: () => Promise.reject(new Error('cannot end')),
    }),
  };
  feedInput(reader(), failing).subscribe().unsubscribe();
  await new Promise((turn) => setImmediate(turn));
  process.off('unhandledRejection', hear);
  expect(heard).toEqual([]);
});
