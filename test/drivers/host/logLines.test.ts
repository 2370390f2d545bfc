import * as fc from 'fast-check';
import { createLogLines, type LineRead } from '../../../src/drivers/host/logLines.js';

const time = '2026-11-28T12:00:00.000Z';

const record = (tags: string, text: string, stream = 'stdout'): string =>
  `${time} ${stream} ${tags} ${text}\n`;

interface Options {
  readonly pieces?: number;
  readonly longest?: number;
  readonly isRaw?: boolean;
  readonly after?: number;
  /** What is gone of it, as places. */
  readonly gone?: readonly [from: number, to: number];
}

/** What is told of a log that is read in pieces of so many bytes. */
const told = (
  content: string | Buffer,
  { pieces = 1_000, longest = 65_536, isRaw = false, after = 0, gone: [gone, back] = [0, 0] }: Options = {},
): readonly LineRead[] => {
  const lines = createLogLines(longest, { from: 0, after });
  const bytes = Buffer.from(content);
  const all: LineRead[] = [];
  for (const [begin, end] of [
    [0, gone],
    [back, bytes.length],
  ] as const) {
    for (let from = begin; from < end; from += pieces) {
      const piece = bytes.subarray(from, Math.min(from + pieces, end));
      all.push(...lines.push({ bytes: piece, next: from + piece.length, isRaw }));
    }
  }
  return [...all, ...lines.flush()];
};

const texts = (content: string, options?: Options): readonly unknown[] =>
  told(content, options).map(({ line: { stream, text, partial } }) => [stream, text, partial]);

it('a line has its time, stream, run, and the place after it', () => {
  expect(told(record('F:a1b2', 'one', 'stderr'))).toEqual([
    {
      line: {
        ...{ time: Date.parse(time), stream: 'stderr', text: 'one', partial: false, run: 'a1b2' },
        cursor: record('F:a1b2', 'one', 'stderr').length,
      },
      isLast: true,
    },
  ]);
});

it('parts of a line become one, whatever another stream has between them', () => {
  const content =
    record('P:r', 'o') + record('F:r', 'other', 'stderr') + record('P:r', 'n') + record('F:r', 'e');
  expect(texts(content)).toEqual([
    ['stderr', 'other', false],
    ['stdout', 'one', false],
  ]);
});

it('parts of different runs never become one line', () => {
  const content =
    record('P:a', 'cut') + record('F:b', 'whole') + record('P:b', 'end') + record('P:b:end', '');
  expect(texts(content)).toEqual([
    ['stdout', 'cut', true],
    ['stdout', 'whole', false],
    ['stdout', 'end', true],
  ]);
});

it('a line without an end is told when nothing more comes', () => {
  expect(texts(record('F:a', 'whole') + record('P:a', 'cut'))).toEqual([
    ['stdout', 'whole', false],
    ['stdout', 'cut', true],
  ]);
});

it('what is no line of a reader of output is told as it is', () => {
  expect(texts(`torn\n${record('F:a', 'whole')}${record('X', 'odd')}`)).toEqual([
    ['stdout', 'torn', false],
    ['stdout', 'whole', false],
    ['stdout', record('X', 'odd').trimEnd(), false],
  ]);
});

it('a log that processes have written is told line by line, whatever is in it', () => {
  const content = `${record('F:a', 'one')}two\r\nthree`;
  expect(texts(content, { isRaw: true })).toEqual([
    ['stdout', record('F:a', 'one').trimEnd(), false],
    ['stdout', 'two', false],
    ['stdout', 'three', true],
  ]);
});

it('what was lost in between joins nothing, and the next line tells of it', () => {
  const content =
    record('F:r', 'one') + record('F:r', 'two') + record('F:r', 'three') + record('F:r', 'four');
  const whole = record('F:r', 'one').length;
  const back = content.indexOf(record('F:r', 'three'));
  const lines = [whole + 1, whole + 20, back - 3, back - 2].map((gone) =>
    told(content, { gone: [gone, back] }).map(({ line: { text, partial, gap } }) => [text, partial, gap]),
  );
  const after = [
    ['three', false, true],
    ['four', false, undefined],
  ];
  const one = ['one', false, undefined];
  expect(lines).toEqual([
    [one, ...after],
    [one, ...after],
    [one, ['t', true, undefined], ...after],
    [one, ['tw', true, undefined], ...after],
  ]);
});

it('of a line whose end was lost the beginning is told, and is joined to no other', () => {
  const parts = [record('P:r', 'begun'), record('F:r', ' lost'), record('F:r', 'next')] as const;
  const gone = [parts[0].length, parts[0].length + parts[1].length] as const;
  expect(
    told(parts.join(''), { gone }).map(({ line: { text, partial, gap } }) => [text, partial, gap]),
  ).toEqual([
    ['begun', true, undefined],
    ['next', false, true],
  ]);
  expect(texts('one\ntwo\nthree\n', { isRaw: true, gone: [5, 10] })).toEqual([
    ['stdout', 'one', false],
    ['stdout', 't', true],
    ['stdout', 'ree', false],
  ]);
});

it('what was lost before the first line is told too, unless it comes before what is asked for', () => {
  const content = record('F:r', 'one') + record('F:r', 'two') + record('F:r', 'three');
  const [first, second] = [record('F:r', 'one').length, (record('F:r', 'one') + record('F:r', 'two')).length];
  const gaps = [0, first, second].map((after) =>
    told(content, { after, gone: [0, second] }).map(({ line: { text, gap } }) => [text, gap]),
  );
  expect(gaps).toEqual([[['three', true]], [['three', true]], [['three', undefined]]]);
});

it('what is written after somebody has emptied the log is told, wherever it was read to before', () => {
  const lines = createLogLines(100, { from: 0, after: 50 });
  const push = (text: string, next: number): readonly unknown[] =>
    lines
      .push({ bytes: Buffer.from(text), next, isRaw: true })
      .map(({ line: { text: it, gap } }) => [it, gap]);
  expect(push(`${'x'.repeat(49)}\nold\nhalf`, 58)).toEqual([['old', undefined]]);
  expect(push('', 0)).toEqual([['half', undefined]]);
  expect(push('new\n', 4)).toEqual([['new', true]]);
});

describe('whatever is written, in whatever parts, and however it is read', () => {
  const anyLine = fc
    .string({ unit: 'grapheme', maxLength: 40 })
    .map((text) => text.replaceAll(/[\r\n]/g, ''));
  const written = fc.array(
    fc.record({ stream: fc.constantFrom('stdout', 'stderr'), text: anyLine, cut: fc.nat(40) }),
    { maxLength: 20 },
  );
  const contentOf = (lines: readonly { stream: string; text: string; cut: number }[]): string =>
    lines
      .map(({ stream, text, cut }) => {
        const letters = Array.from(text);
        const part = letters.slice(0, cut).join('');
        return record('P:r', part, stream) + record('F:r', letters.slice(cut).join(''), stream);
      })
      .join('');

  it('each line is told once, in order', () => {
    fc.assert(
      fc.property(written, fc.integer({ min: 1, max: 300 }), (lines, pieces) => {
        expect(texts(contentOf(lines), { pieces })).toEqual(
          lines.map(({ stream, text }) => [stream, text, false]),
        );
      }),
    );
  });

  it('pieces of long lines make up the lines, cut no character, and their places grow', () => {
    fc.assert(
      fc.property(
        written,
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 8, max: 30 }),
        (lines, pieces, longest) => {
          const all = told(contentOf(lines), { pieces, longest });
          let text = '';
          const whole: string[] = [];
          for (const { line, isLast } of all) {
            expect(Buffer.byteLength(line.text)).toBeLessThanOrEqual(longest);
            text += line.text;
            if (!isLast) continue;
            whole.push(text);
            text = '';
          }
          expect(whole).toEqual(lines.map((line) => line.text));
          const places = all.map(({ line }) => line.cursor);
          expect(places).toEqual([...new Set(places)].toSorted((one, other) => one - other));
        },
      ),
    );
  });

  /** A character that was cut is told as this; it may have been written as well. */
  const withoutHalves = (text: string): string => text.replaceAll('\uFFFD', '');

  it('nothing of a head is ever told, and nothing joined, wherever it was cut by what was lost', () => {
    fc.assert(
      fc.property(written, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 300 }), (lines, cut, to, pieces) => {
        const content = Buffer.from(contentOf(lines));
        const begins = [0, ...[...content.entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1)];
        const back = begins[to % begins.length] ?? 0;
        const gone = back === 0 ? 0 : cut % back;
        const all = told(content, { pieces, gone: [gone, back] });
        for (const { line } of all) {
          const text = withoutHalves(line.text);
          expect(lines.some((one) => withoutHalves(one.text).includes(text))).toBe(true);
        }
        const gaps = all.filter(({ line }) => line.gap).map(({ line }) => line.cursor);
        const next = all.find(({ line }) => line.cursor > back)?.line.cursor;
        expect(gaps).toEqual(gone === back || next === undefined ? [] : [next]);
      }),
    );
  });

  const longest = fc.integer({ min: 8, max: 30 });
  const runs = fc.array(
    fc.record({ lines: written, last: anyLine, stream: fc.constantFrom('stdout', 'stderr') }),
    { maxLength: 3 },
  );
  const ofRuns = fc.constantFrom(true, false).chain((isEnded) =>
    runs.map((all) =>
      all
        .map(({ lines, last, stream }, run) => {
          const content = contentOf(lines) + record('P:r', last, stream);
          return (content + (isEnded ? record('P:r:end', '', stream) : '')).replaceAll(
            ':r',
            `:r${String(run)}`,
          );
        })
        .join(''),
    ),
  );

  it('after the cursor of each comes what was told after it, and nothing else', () => {
    fc.assert(
      fc.property(ofRuns, longest, (content, longest) => {
        const all = told(content, { longest });
        for (const [index, { line }] of all.entries()) {
          // What is not finished at the end of all that is there has no place of its own.
          if (line.cursor === all.at(-1)?.line.cursor) break;
          expect(told(content, { longest, after: line.cursor })).toEqual(all.slice(index + 1));
        }
      }),
    );
  });

  it('of a log that was read to its end as it was then, the rest is told, and nothing twice', () => {
    const ofOne = written.map((lines) => contentOf(lines.map((line) => ({ ...line, stream: 'stdout' }))));
    const whole = (lines: readonly LineRead[]): string =>
      lines.map(({ line: { text, partial } }) => (partial ? text : `${text}\n`)).join('');
    fc.assert(
      fc.property(ofOne, longest, fc.nat(), fc.boolean(), (content, longest, cut, isRaw) => {
        // No character is cut that is not one byte.
        const ascii = content.replaceAll(/[^\n -~]/g, '.');
        const then = told(ascii.slice(0, cut % (ascii.length + 1)), { longest, isRaw });
        const rest = told(ascii, { longest, isRaw, after: then.at(-1)?.line.cursor ?? 0 });
        expect(whole(then) + whole(rest)).toBe(whole(told(ascii, { longest, isRaw })));
      }),
    );
  });
});
