import { useEffect, useState } from 'preact/hooks';
import { ask } from './api.mjs';
import { html } from './html.mjs';

const everyMs = 2_000;

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
      <div class="scroll" tabindex="0" role="region" aria-labelledby="consumers">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col">Consumer</th>
              <th scope="col">Subscribers</th>
              <th scope="col">Longest queue</th>
              <th scope="col">At most</th>
              <th scope="col">Lagged</th>
              <th scope="col">Resumed</th>
              <th scope="col">Dropped</th>
              <th scope="col">Thrown</th>
            </tr>
          </thead>
          <tbody>
            ${consumers.map(
              (each) => html`
                <tr key=${each.consumer}>
                  <th scope="row">${each.consumer}</th>
                  <td>${each.subscribers}</td>
                  <td>${each.max_queue_depth}</td>
                  <td>${each.high_water}</td>
                  <td>${each.lagged}</td>
                  <td>${each.resumed}</td>
                  <td>${Object.values(each.dropped).reduce((sum, count) => sum + count, 0)}</td>
                  <td>${each.thrown}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}
