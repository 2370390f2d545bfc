import { html } from './html.mjs';
import { Table } from './table.mjs';
import { timeOf, told } from './words.mjs';

/** Events, the newest first; of one instance, if so said, whose name is not repeated. */
export function Events({ events, title, isOfOne = false }) {
  const columns = ['Number', 'Time', 'Action', ...(isOfOne ? [] : ['Of']), 'State', 'By'];
  const id = title.toLowerCase().replaceAll(' ', '-');
  return html`
    <section>
      <h2 id=${id}>${title}</h2>
      <${Table} label=${id} className="events" columns=${columns} empty="Nothing has happened yet.">
        ${events.map((event) => {
          const { action, name, change, by } = told(event);
          return html`
            <tr key=${`${event.epoch}:${event.sequence}`}>
              <td>${event.sequence}</td>
              <td>${timeOf(event.time)}</td>
              <td>${action}</td>
              ${!isOfOne && html`<td>${name}</td>`}
              <td>${change}</td>
              <td>${by}</td>
            </tr>
          `;
        })}
      <//>
    </section>
  `;
}
