import { useEffect, useState } from 'preact/hooks';
import { ask } from './api.mjs';
import { html } from './html.mjs';
import { Table } from './table.mjs';

const everyMs = 2_000;

const columns = [
  ...['Consumer', 'Subscribers', 'Longest queue', 'At most'],
  ...['Lagged', 'Resumed', 'Dropped', 'Thrown'],
];

/** As the columns have them. */
const numbersOf = (each) => [
  ...[each.subscribers, each.max_queue_depth, each.high_water, each.lagged, each.resumed],
  Object.values(each.dropped).reduce((sum, count) => sum + count, 0),
  each.thrown,
];

/** The queues and lags of those who listen. A server that counts them not, and a token that may not see them, shows none. */
export function Consumers({ isLive }) {
  const [consumers, setConsumers] = useState();
  useEffect(() => {
    if (!isLive) return undefined;
    const controller = new AbortController();
    const { signal } = controller;
    const look = async () => {
      if (document.hidden) return;
      const told = await ask('GET', 'consumers', { signal }).catch(() => undefined);
      if (!signal.aborted) setConsumers(told);
    };
    void look();
    const timer = setInterval(look, everyMs);
    return () => {
      clearInterval(timer);
      controller.abort();
    };
  }, [isLive]);
  if (consumers === undefined) return null;
  return html`
    <section>
      <h2 id="consumers">Consumers</h2>
      <${Table} label="consumers" className="numbers" columns=${columns} empty="Nobody listens.">
        ${consumers.map(
          (each) => html`
            <tr key=${each.consumer}>
              <th scope="row">${each.consumer}</th>
              ${numbersOf(each).map((number) => html`<td class=${number === 0 ? 'none' : ''}>${number}</td>`)}
            </tr>
          `,
        )}
      <//>
    </section>
  `;
}
