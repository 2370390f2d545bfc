import { html } from './html.mjs';

/** A table that scrolls in a place of its own; `label` is the id of what it is called by. */
export function Table({ label, columns, className, empty, children }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-labelledby=${label}>
      <table class=${className}>
        <thead>
          <tr>
            ${columns.map((column) => html`<th key=${column} scope="col">${column}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${children}
        </tbody>
      </table>
      ${children.length === 0 && html`<p>${empty}</p>`}
    </div>
  `;
}
