const words: ReadonlySet<string> = new Set(['by', 'offset', 'or', 'unless']);

/** The series that an expression of PromQL reads, those of a histogram by its name. */
export const seriesOf = (expr: string): readonly string[] => {
  const bare = expr.replaceAll(/\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)/g, '');
  return [...bare.matchAll(/\b[a-z]\w*\b(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !words.has(name))
    .map((name) => name.replace(/(?<=_seconds)_(bucket|count|sum)$/, ''));
};
