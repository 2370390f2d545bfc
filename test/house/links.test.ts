import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const pages = execFileSync('git', ['ls-files', '*.md'], { encoding: 'utf8' }).split('\n').filter(Boolean);

/** Where the relative links of a page lead, as paths from the root. */
const linksOf = (page: string): readonly string[] =>
  [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to]) =>
    join(dirname(page), to ?? ''),
  );

describe('the pages in Markdown', () => {
  it.each(pages)('lead somewhere: %s', (page) => {
    expect(linksOf(page).filter((path) => !existsSync(path))).toStrictEqual([]);
  });
});
