import fc from 'fast-check';
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { lastValueFrom, map, NEVER, type Observable, Subject, toArray } from 'rxjs';
import type { LogLine } from '../../../src/lifecycle/logLine.js';
import type { LogFiles } from '../../../src/drivers/host/logFiles.js';
import { followFrom, type LogQuery, readLog } from '../../../src/drivers/host/logReader.js';
import { until } from '../../support/until.js';
import { createLogBench, layAside } from './logBench.js';

const createLog = createLogBench();

const tail = (log: LogFiles, lines: number): Promise<string[]> =>
  lastValueFrom(
    readLog(log, { tail: lines }).pipe(
      map((line) => line.text),
      toArray(),
    ),
  );

/** Until it is unsubscribed. */
const following = { pollMs: 1, end$: NEVER };

/** What is told so far, and how to stop. */
function follow(lines$: Observable<LogLine>): { readonly told: string[]; stop(): void } {
  const told: string[] = [];
  const subscription = lines$.subscribe((line) => told.push(line.text));
  return {
    told,
    stop: () => {
      subscription.unsubscribe();
    },
  };
}

const numbered = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, index) => `line ${String(from + index)}`);

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

describe('the tail of a log', () => {
  it.each<[string, string | Uint8Array | undefined, number, readonly string[]]>([
    ['of no log', undefined, 5, []],
    ['of an empty one', '', 5, []],
    ['of one with fewer lines', 'a\nb\n', 5, ['a', 'b']],
    ['of one with as many', 'a\nb\n', 2, ['a', 'b']],
    ['of one with more', 'a\nb\nc\n', 2, ['b', 'c']],
    ['of no lines', 'a\nb\n', 0, []],
    ['of all lines', 'a\nb\n', Infinity, ['a', 'b']],
    ['with an unfinished last line', 'a\nb\nc', 2, ['b', 'c']],
    ['of only an unfinished line', 'a', 1, ['a']],
    ['with empty lines', 'a\n\n\nb\n\n', 3, ['', 'b', '']],
    ['of one empty line', '\n', 1, ['']],
    ['of empty lines only', '\n\n\n', 2, ['', '']],
    ['of a line that fills what is read at once', `a\n${'x'.repeat(65_535)}\n`, 1, ['x'.repeat(65_535)]],
    ['with the line ends of Windows', 'a\r\nb\r\n', 2, ['a', 'b']],
    ['with a carriage return inside', 'a\rb\n', 1, ['a\rb']],
    ['with what no UTF-8 is', Uint8Array.of(0x61, 10, 0xff, 10), 1, ['\uFFFD']],
  ])('%s', async (_, content, lines, expected) => {
    await expect(tail(createLog(content), lines)).resolves.toEqual(expected);
  });

  it('gives the last lines of any text, whatever lies across the borders of what is read at once', async () => {
    const line = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'é', '😀', ' ') }),
      fc.integer({ min: 60_000, max: 65_536 }).map((length) => 'x'.repeat(length)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.nat(14), async (lines, wanted) => {
        const expected = wanted === 0 ? [] : lines.slice(-wanted);
        await expect(tail(createLog(text(lines)), wanted)).resolves.toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('goes back into the parts that were laid aside', async () => {
    const log = createLog(text(numbered(0, 10)));
    await layAside(log);
    appendFileSync(log.path, text(numbered(10, 20)));
    await layAside(log);
    appendFileSync(log.path, text(numbered(20, 25)));

    await expect(tail(log, 3)).resolves.toEqual(numbered(22, 25));
    await expect(tail(log, 100)).resolves.toEqual(numbered(0, 25));
    await expect(tail(log, 12)).resolves.toEqual(numbered(13, 25));
  });

  it('tells a line that is too long in pieces of 64 KiB, none of which cuts a character', async () => {
    const wide = `${'x'.repeat(65_535)}é`.repeat(2);
    const pieces = await tail(createLog(`${wide}\nshort\n`), 2);

    expect(pieces.join('')).toBe(`${wide}short`);
    expect(pieces.map((piece) => Buffer.byteLength(piece))).toEqual([65_535, 65_536, 3, 5]);
  });

  it('cuts the same line in the same way, whether it came at once or bit by bit', async () => {
    const wide = `${'0123456789'.repeat(10_000)}\n`;
    const log = createLog('');
    const { told, stop } = follow(followFrom(log, 0, following));
    for (let from = 0; from < wide.length; from += 9_999) {
      appendFileSync(log.path, wide.slice(from, from + 9_999));
      await log.read(0);
    }
    await until(
      () => told.length,
      (length) => length >= 2,
    );
    stop();
    const pieces = [told, await tail(log, 1)].map((lines) => lines.map(({ length }) => length));
    expect(pieces).toEqual([
      [65_536, 34_464],
      [65_536, 34_464],
    ]);
  });
});

describe('after a line', () => {
  const record = (tags: string, it: string, stream = 'stdout'): string =>
    `2026-11-28T12:00:00.000Z ${stream} ${tags} ${it}\n`;

  const createRead = (content: string): LogFiles => {
    const log = createLog('');
    writeFileSync(log.path.replace(/\.log$/, '.cri.log'), content);
    return log;
  };

  const all = (log: LogFiles, query: Partial<LogQuery> = {}): Promise<LogLine[]> =>
    lastValueFrom(readLog(log, { tail: Infinity, ...query }).pipe(toArray()));

  /** What is told after each line is what was told after it. */
  const expectRest = async (log: LogFiles, query: Partial<LogQuery> = {}): Promise<void> => {
    const lines = await all(log, query);
    for (const [index, { cursor }] of lines.entries()) {
      if (index > 3 && index < lines.length - 3) continue;
      // Not as a whole: what differs of long lines tells nobody anything.
      const rest = (await all(log, { ...query, after: cursor })).map(inShort);
      expect(rest).toEqual(lines.slice(index + 1).map(inShort));
    }
  };
  const inShort = ({ text: it, ...line }: LogLine): unknown => ({
    ...line,
    text: [it.length, it.slice(0, 9)],
  });

  it('of several pieces comes the rest of it, and nothing twice', async () => {
    const numbers = Array.from({ length: 60_000 }, (_, number) => String(number).padStart(5, '0')).join('');
    const parts = numbers.match(/.{1,50000}/g) ?? [];
    const long = parts.map((part) => record('P:r', part)).join('') + record('F:r', '');
    await expectRest(createRead(record('F:r', 'before') + long + record('F:r', 'behind')));
    await expectRest(createLog(`before\n${numbers}\nbehind\n`));
  });

  it.each([150, 1_000, 3_000])(
    'comes a whole line that had begun %i KB before in the other stream',
    async (kilobytes) => {
      const others = record('F:r', 'x'.repeat(955), 'stderr').repeat(kilobytes);
      const content = record('F:r', 'before') + record('P:r', '0% ') + others + record('F:r', '100%');
      const log = createRead(content);
      await expectRest(log);
      await expectRest(log, { stream: 'stderr' });
      expect((await tail(log, 1)).concat(await tail(log, 2))).toEqual([
        '0% 100%',
        expect.any(String),
        '0% 100%',
      ]);
      const [last] = await all(log, { stream: 'stderr', tail: 1 });
      await expect(all(log, { stream: 'stdout', after: last?.cursor ?? 0 })).resolves.toMatchObject([
        { text: '0% 100%' },
      ]);
    },
  );

  it('words like those before a line are not taken for such', async () => {
    const odd = `2026-11-28T12:00:00.000Z stdout F:r `.repeat(5_000);
    const content =
      record('P:r', 'begun') + record('F:r', odd, 'stderr').repeat(2) + record('F:r', ' and ended');
    await expectRest(createRead(content));
  });

  it('that is gone comes the first that is kept, and says so, to whoever asks for one stream too', async () => {
    const log = createLog('');
    const words = ['a', 'b', 'c', 'd', 'e'];
    for (const word of words) {
      appendFileSync(log.path, `${word}\n`);
      await layAside(log, 3);
    }
    const gaps = async (query: Partial<LogQuery>): Promise<readonly unknown[]> =>
      (await all(log, query)).map(({ text: it, gap }) => [it, gap]);
    const [d, e] = [
      ['d', undefined],
      ['e', undefined],
    ];
    expect(await gaps({ after: 2 })).toEqual([['c', true], d, e]);
    expect(await gaps({ after: 0, stream: 'stdout' })).toEqual([['c', true], d, e]);
    expect(await gaps({ after: 4 })).toEqual([['c', undefined], d, e]);
    expect(await gaps({})).toEqual([['c', undefined], d, e]);
    expect(await gaps({ after: 0, tail: 1 })).toEqual([e]);
  });
});

describe('who follows a log', () => {
  it('gets the last lines, then each new one when it is finished', async () => {
    const log = createLog('a\nb\nhalf');
    const { told, stop } = follow(readLog(log, { tail: 2 }, following));
    await until(
      () => told.length,
      (length) => length >= 1,
    );
    expect(told).toEqual(['b']);

    appendFileSync(log.path, ' done\nc\n');
    await until(
      () => told.length,
      (length) => length >= 3,
    );
    stop();
    expect(told).toEqual(['b', 'half done', 'c']);
  });

  it('gets nothing any more once unsubscribed', async () => {
    const log = createLog('a\n');
    const one = follow(readLog(log, { tail: 1 }, following));
    const other = follow(readLog(log, { tail: 1 }, following));
    await until(
      () => one.told.length + other.told.length,
      (length) => length === 2,
    );
    one.stop();
    appendFileSync(log.path, 'b\n');
    await until(
      () => other.told.length,
      (length) => length === 2,
    );
    other.stop();
    expect([one.told, other.told]).toEqual([['a'], ['a', 'b']]);
  });

  it('may come before the log', async () => {
    const log = createLog();
    const { told, stop } = follow(readLog(log, { tail: 5 }, following));
    writeFileSync(log.path, 'first\n');
    await until(
      () => told.length,
      (length) => length > 0,
    );
    stop();
    expect(told).toEqual(['first']);
  });

  it('gets characters whole whose bytes come one by one', async () => {
    const log = createLog('');
    const { told, stop } = follow(followFrom(log, 0, following));
    for (const byte of Buffer.from('héllo 😀\n')) {
      appendFileSync(log.path, Uint8Array.of(byte));
      await log.read(0);
    }
    await until(
      () => told.length,
      (length) => length > 0,
    );
    stop();
    expect(told).toEqual(['héllo 😀']);
  });

  it('gets every line once and in order while the log is written and laid aside again and again', async () => {
    const log = createLog('');
    const early = follow(followFrom(log, 0, following));
    const lines = numbered(0, 2_000);
    for (let from = 0; from < lines.length; from += 40) {
      appendFileSync(log.path, text(lines.slice(from, from + 40)));
      // Half a line at the moment of the cut.
      appendFileSync(log.path, 'be');
      await layAside(log, 100);
      appendFileSync(log.path, 'tween\n');
    }
    const late = follow(readLog(log, { tail: 100_000 }, following));
    const expected = lines.flatMap((line, index) => (index % 40 === 39 ? [line, 'between'] : [line]));
    for (const { told } of [early, late]) {
      await until(
        () => told.length,
        (length) => length >= expected.length,
      );
    }
    early.stop();
    late.stop();
    expect(early.told).toEqual(expected);
    expect(late.told).toEqual(expected);
  });

  it('goes on with what is left when parts were removed before it came to them', async () => {
    const log = createLog('');
    for (const word of ['a', 'b', 'c', 'd']) {
      appendFileSync(log.path, `${word}\n`);
      await layAside(log, 2);
    }
    const { told, stop } = follow(followFrom(log, 0, following));
    appendFileSync(log.path, 'e\n');
    await until(
      () => told.length,
      (length) => length >= 3,
    );
    stop();
    expect(told).toEqual(['c', 'd', 'e']);
  });

  it('gets what is written after somebody else has emptied the log, once', async () => {
    const log = createLog('old one\nold two\n');
    await layAside(log);
    appendFileSync(log.path, 'old three\nold four\n');
    const { told, stop } = follow(readLog(log, { tail: 1 }, following));
    await until(
      () => told.length,
      (length) => length >= 1,
    );
    truncateSync(log.path);
    appendFileSync(log.path, 'new\n');
    await until(
      () => told.length,
      (length) => length >= 2,
    );
    appendFileSync(log.path, 'newer\n');
    await until(
      () => told.length,
      (length) => length >= 3,
    );
    stop();
    expect(told).toEqual(['old four', 'new', 'newer']);
  });
});

describe('a reader', () => {
  const never = (): Promise<never> => Promise.reject(new Error('not asked for'));

  it('begins anew once it has seen that the log was emptied, however long it is by then', async () => {
    const asked: number[] = [];
    const answers = [
      { bytes: Buffer.from('old\n'), next: 4 },
      { next: 0 },
      { bytes: Buffer.from('newer\n'), next: 6 },
    ];
    const log: LogFiles = {
      ...{ path: '', start: never, end: never, rotate: never, beginRaw: never, mark: () => 'same' },
      read: (place) => {
        asked.push(place);
        return Promise.resolve({ bytes: Buffer.alloc(0), next: place, isRaw: true, ...answers.shift() });
      },
    };
    const { told, stop } = follow(followFrom(log, 0, following));
    await until(
      () => told.length,
      (length) => length >= 2,
    );
    stop();
    expect(told).toEqual(['old', 'newer']);
    expect(asked.slice(0, 3)).toEqual([0, 4, 0]);
  });

  it('opens nothing while the log is as it was, and looks once more at the end', async () => {
    let [looks, reads] = [0, 0];
    let mark = 'old';
    const end$ = new Subject<void>();
    const log: LogFiles = {
      ...{ path: '', start: never, end: never, rotate: never, beginRaw: never },
      mark: () => {
        looks += 1;
        return mark;
      },
      read: (place) => {
        reads += 1;
        return Promise.resolve({ bytes: Buffer.alloc(0), next: place, isRaw: true });
      },
    };
    const looked = (times: number): Promise<number> =>
      until(
        () => looks,
        (count) => count >= times,
      );
    const { stop } = follow(followFrom(log, 0, { pollMs: 1, end$ }));
    await looked(5);
    expect(reads).toBe(1);
    mark = 'new';
    await looked(looks + 5);
    expect(reads).toBe(2);
    end$.next();
    await until(
      () => reads,
      (count) => count >= 3,
    );
    stop();
    expect(reads).toBe(3);
  });

  it('tells the tail from the first line that is left when older ones are removed under its hands', async () => {
    const left = 100_000;
    const content = Buffer.from(text(numbered(0, 20_000)));
    const first = content.indexOf('\n', left) + 1;
    const log: LogFiles = {
      ...{ path: '', rotate: never, beginRaw: never, mark: () => 'same' },
      start: () => Promise.resolve(0),
      end: () => Promise.resolve(content.length),
      read: (place) => {
        const from = Math.max(place, first);
        const bytes = content.subarray(from, from + 10_000);
        return Promise.resolve({ bytes, next: from + bytes.length, isRaw: true });
      },
    };
    await expect(tail(log, 100_000)).resolves.toEqual(content.toString('utf8', first).trim().split('\n'));
  });
});
