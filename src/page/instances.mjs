import { useState } from 'preact/hooks';
import { html } from './html.mjs';
import { Table } from './table.mjs';
import { sinceOf, timeOf, whyOf } from './words.mjs';

const columns = ['Name', 'State', 'Driver', 'Since', 'Why'];

/** The table of instances as they change. */
export function Instances({ instances, causes, selected, onSelect }) {
  const [wanted, want] = useState('');
  const all = [...instances.values()];
  const found = all.filter(({ name, state }) =>
    `${name} ${state}`.toLowerCase().includes(wanted.toLowerCase()),
  );
  return html`
    <section>
      <div class="head">
        <h2 id="instances">Instances</h2>
        <span>${found.length === all.length ? all.length : `${found.length} of ${all.length}`}</span>
        <label for="wanted">Name or state</label>
        <input
          id="wanted"
          type="search"
          value=${wanted}
          onInput=${(event) => want(event.currentTarget.value)}
        />
      </div>
      <${Table}
        label="instances"
        columns=${columns}
        empty=${all.length === 0 ? 'There are none.' : 'None is called so.'}
      >
        ${found.map((instance) => {
          const why = causes.get(instance.id);
          return html`
            <tr key=${instance.id} class=${instance.id === selected ? 'selected' : ''}>
              <th scope="row">
                <button
                  type="button"
                  class="name"
                  aria-pressed=${instance.id === selected}
                  onClick=${() => onSelect(instance.id === selected ? undefined : instance.id)}
                >
                  ${instance.name}
                </button>
              </th>
              <td><span class=${`state ${instance.state}`}>${instance.state}</span></td>
              <td>${instance.driver}</td>
              <td>${timeOf(sinceOf(instance, why))}</td>
              <td>${whyOf(instance, why)}</td>
            </tr>
          `;
        })}
      <//>
    </section>
  `;
}
