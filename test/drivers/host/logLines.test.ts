import * as fc from 'fast-check';
import { createLogLines, type Told } from '../../../src/drivers/host/logLines.js';

const time = '2026-11-28T12:00:00.000Z';

const record = (tags: string, text: string, stream = 'stdout'): string =>
  `${time} ${stream} ${tags} ${text}\n`;

/** What is told of a log that is read in pieces of so many bytes. */
const told = (content: string, { pieces = 1_000, longest = 65_536, isRaw = false } = {}): readonly Told[] => {
  const lines = createLogLines(longest);
  const bytes = Buffer.from(content);
  const all: Told[] = [];
  for (let from = 0; from < bytes.length; from += pieces) {
    const piece = bytes.subarray(from, from + pieces);
    all.push(...lines.push({ bytes: piece, next: from + piece.length, isRaw }));
  }
  return [...all, ...lines.flush()];
};

const texts = (content: string, options?: Parameters<typeof told>[1]): readonly unknown[] =>
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
});
