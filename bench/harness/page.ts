import type { Row } from './bench.js';
import { cellOf, type Outcome, type Result } from './results.js';
import { median } from './statistics.js';
import { amount, rowName, times } from './written.js';

const begin = '<!-- written by npm run bench -->';
const end = '<!-- end of what npm run bench writes -->';

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');

/** What one cell says: its median, and how many times ours that is. */
function cellText({ unit, contenders, measured }: Result, contender: string, row: Row): string {
  const cell = cellOf(measured, { contender, row });
  if (cell === undefined) return '';
  if (cell.notRun !== undefined) return `not run: ${cell.notRun}`;
  const middle = median(cell.samples);
  const ours = cellOf(measured, { contender: contenders[0] ?? '', row })?.samples ?? [];
  const isOurs = contender === contenders[0] || ours.length === 0 || median(ours) === 0;
  return isOurs ? amount(middle, unit) : `${amount(middle, unit)} (${times(middle / median(ours))})`;
}

function goalRow({ unit }: Result, { what, atMost, measured, isRatio, met }: Outcome): readonly string[] {
  const write = (figure: number): string => (isRatio ? times(figure) : amount(figure, unit));
  return [
    what,
    write(atMost),
    measured === undefined ? 'not run' : write(measured),
    met ? 'met' : '**missed**',
  ];
}

function section(result: Result, ranOn: string): string {
  const { name, title, about, rowsAre, rows, contenders, goals } = result;
  const figures = rows.map((row) => [
    rowName(row),
    ...contenders.map((contender) => cellText(result, contender, row)),
  ]);
  const outcomes = goals.map((goal) => goalRow(result, goal));
  const run = `\`npm run bench -- ${name}\``;
  return [
    `### ${title}`,
    about,
    `![${title}](plots/${name}.svg)`,
    table([rowsAre, ...contenders], figures),
    table(['goal', 'at most', 'measured', ''], outcomes),
    result.ranOn === ranOn ? run : `${run}, which ran at another time: ${result.ranOn}.`,
  ].join('\n\n');
}

/** Puts all tables into the page, between its two marks; the rest is written by hand and stays. */
export function pageWith(page: string, results: readonly Result[]): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page has to hold "${begin}", and "${end}" after it`);
  const goals = results.flatMap((result) => result.goals);
  const met = goals.filter((goal) => goal.met).length;
  const ranOn = results.at(-1)?.ranOn ?? '';
  const summary = `${String(met)} of ${String(goals.length)} goals are met. Taken on ${ranOn}.`;
  const written = [begin, summary, ...results.map((result) => section(result, ranOn))].join('\n\n');
  return `${page.slice(0, from)}${written}\n\n${page.slice(to)}`;
}
