import { useState } from 'preact/hooks';
import { html } from './html.mjs';
import { sinceOf, timeOf, whyOf } from './words.mjs';

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
      <div class="scroll" tabindex="0" role="region" aria-labelledby="instances">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col">Driver</th>
              <th scope="col">Since</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
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
          </tbody>
        </table>
        ${found.length === 0 && html`<p>${all.length === 0 ? 'There are none.' : 'None is called so.'}</p>`}
      </div>
    </section>
  `;
}
