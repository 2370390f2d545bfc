import { cellOf, type Measured, type Result } from './results.js';
import { median } from './statistics.js';
import { amount, rowName } from './written.js';

const width = 760;
const left = 150;
const right = 110;
const bar = 12;
const gap = 14;
const colours = ['#2563eb', '#d97706', '#6b7280', '#059669', '#9333ea', '#dc2626', '#0891b2'];

const style = `text{font:11px system-ui,sans-serif;fill:#1f2937}line{stroke:#1f2937}.grid{stroke:#e5e7eb}
@media(prefers-color-scheme:dark){text{fill:#e5e7eb}line{stroke:#e5e7eb}.grid{stroke:#374151}}`;

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** Draws a table: a bar for each cell on a scale of powers of ten, as long as its median, with a line from least to most. */
export function plot({ title, unit, rows, contenders, measured }: Result): string {
  const figures = measured.flatMap(({ samples }) => samples).filter((figure) => figure > 0);
  const low = figures.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...figures)));
  const high = figures.length === 0 ? 1 : Math.max(low + 1, Math.ceil(Math.log10(Math.max(...figures))));
  const x = (figure: number): number => {
    const place = figure <= 10 ** low ? 0 : (Math.log10(figure) - low) / (high - low);
    return Math.round((left + place * (width - left - right)) * 10) / 10;
  };

  const parts: string[] = [];
  let y = 44;
  const barOf = ({ contender, samples }: Measured): void => {
    const middle = median(samples);
    const fill = colours[contenders.indexOf(contender) % colours.length] ?? '';
    const centre = y + bar / 2;
    const [least, most] = [x(Math.min(...samples)), x(Math.max(...samples))];
    parts.push(
      `<rect x="${String(left)}" y="${String(y)}" width="${String(Math.max(1, x(middle) - left))}" height="${String(bar)}" fill="${fill}"/>`,
      `<line x1="${String(least)}" y1="${String(centre)}" x2="${String(most)}" y2="${String(centre)}"/>`,
      `<text x="${String(most + 6)}" y="${String(centre + 4)}">${escaped(contender)} ${amount(middle, unit)}</text>`,
    );
    y += bar + 2;
  };
  for (const row of rows) {
    parts.push(
      `<text x="${String(left - 8)}" y="${String(y + 10)}" text-anchor="end">${escaped(rowName(row))}</text>`,
    );
    for (const contender of contenders) {
      const cell = cellOf(measured, { contender, row });
      if (cell !== undefined && cell.samples.length > 0) barOf(cell);
    }
    y += gap;
  }

  const grid = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)).flatMap((figure) => [
    `<line class="grid" x1="${String(x(figure))}" y1="36" x2="${String(x(figure))}" y2="${String(y)}"/>`,
    `<text x="${String(x(figure))}" y="30" text-anchor="middle">${amount(figure, unit)}</text>`,
  ]);
  const box = `viewBox="0 0 ${String(width)} ${String(y)}" width="${String(width)}" height="${String(y)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img" aria-label="${escaped(title)}">
<style>${style}</style>
<text x="0" y="14" font-weight="bold">${escaped(title)}</text>
${[...grid, ...parts].join('\n')}
</svg>
`;
}
