import { loadRe2 } from './loadRe2.js';

/** A regular expression whose matching takes time in proportion to the length of the text, whatever that is. */
export interface LinePattern {
  /** Whether it matches some part of a line. */
  test(line: string): boolean;
}

/** In characters. It bounds how long it takes to compile one. */
const longestPattern = 500;
/** In the engine's instructions. What a character costs at worst grows with them. */
const largestProgram = 500;

/** How many patterns are kept; those who wait for the same share one, with the memory that it takes. */
const mostKept = 64;
const kept = new Map<string, LinePattern | Refusal>();

/** Why a text is no line pattern. */
type Refusal = 'it is too long' | 'it has unknown syntax' | 'its program is too large';

/**
 * Compiles a regular expression as JavaScript writes it (with the flag `u`). Undefined is what linear time can't do
 * (look-around and back-references), what is too large, and what is none. It means what it means to RE2: `\s` and `\w` are
 * those of ASCII.
 */
export function linePattern(source: string): LinePattern | undefined {
  const compiled = compileOnce(source);
  return typeof compiled === 'string' ? undefined : compiled;
}

/** Says why {@link linePattern} takes a text for none. */
export function refusalOf(source: string): Refusal | undefined {
  const compiled = compileOnce(source);
  return typeof compiled === 'string' ? compiled : undefined;
}

function compileOnce(source: string): LinePattern | Refusal {
  const known = kept.get(source);
  if (known !== undefined) return known;
  const compiled = compile(source);
  const [oldest] = kept.keys();
  if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
  kept.set(source, compiled);
  return compiled;
}

function compile(source: string): LinePattern | Refusal {
  if (source.length > longestPattern) return 'it is too long';
  try {
    // The translation takes what JavaScript does not understand for something else, and `\k` too.
    new RegExp(source, 'u');
    if (source.replace(/\\[^k]/gu, '').includes('\\k')) return unknownSyntax;
    const { RE2JS } = loadRe2();
    const pattern = RE2JS.compile(RE2JS.translateRegExp(source));
    return pattern.programSize() <= largestProgram ? pattern : 'its program is too large';
  } catch {
    return unknownSyntax;
  }
}

const unknownSyntax = 'it has unknown syntax';
