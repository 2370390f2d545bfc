/** The longest text that a message takes in, in characters. */
const longest = 1_000;

/** Writes a text from outside on one line, cut to a length: what would move a terminal's cursor, or hide, is written as its number. */
export const onOneLine = (text: string, most = longest): string =>
  cut(text.slice(0, most + 1).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, numbered), most);

const numbered = (character: string): string => {
  const number = Number(character.codePointAt(0));
  return names[character] ?? (number < 0x100 ? `\\x${hex(number, 2)}` : `\\u{${hex(number, 1)}}`);
};

const names: Readonly<Record<string, string>> = {
  ...{ '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' },
};

const hex = (number: number, digits: number): string =>
  number.toString(16).toUpperCase().padStart(digits, '0');

/** Cuts no character in two. */
const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : text;
