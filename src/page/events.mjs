import { html } from './html.mjs';
import { timeOf, told } from './words.mjs';

/** Events, the newest first. */
export function Events({ events, title }) {
  const id = title.toLowerCase().replaceAll(' ', '-');
  return html`
    <section>
      <h2 id=${id}>${title}</h2>
      <div class="scroll" tabindex="0" role="region" aria-labelledby=${id}>
        <table class="events">
          <thead>
            <tr>
              <th scope="col">Number</th>
              <th scope="col">Time</th>
              <th scope="col">Action</th>
              <th scope="col">Of</th>
              <th scope="col">State</th>
              <th scope="col">By</th>
            </tr>
          </thead>
          <tbody>
            ${events.map((event) => {
              const { action, name, change, by } = told(event);
              return html`
                <tr key=${`${event.epoch}:${event.sequence}`}>
                  <td>${event.sequence}</td>
                  <td>${timeOf(event.time)}</td>
                  <td>${action}</td>
                  <td>${name}</td>
                  <td>${change}</td>
                  <td>${by}</td>
                </tr>
              `;
            })}
          </tbody>
        </table>
        ${events.length === 0 && html`<p>Nothing has happened yet.</p>`}
      </div>
    </section>
  `;
}
