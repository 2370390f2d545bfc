import { render } from 'preact';
import { useState } from 'preact/hooks';
import { hasToken, keepToken } from './api.mjs';
import { Consumers } from './consumers.mjs';
import { Detail } from './detail.mjs';
import { Events } from './events.mjs';
import { html } from './html.mjs';
import { Instances } from './instances.mjs';
import { SignIn } from './signIn.mjs';
import { useWatched } from './watched.mjs';

const states = {
  connecting: 'Connecting',
  live: 'Live',
  away: 'The server is away; trying again',
  refused: 'Not signed in',
  waiting: 'Too many windows show this page; it goes on when one of them is closed',
};

function App() {
  // Each sign-in begins anew.
  const [round, setRound] = useState(0);
  const [refusal, setRefusal] = useState();
  const [selected, select] = useState();
  const watched = useWatched(round, setRefusal);
  const instance = watched.instances.get(selected);
  const signIn = (token) => {
    keepToken(token);
    setRefusal(undefined);
    setRound(round + 1);
  };

  return html`
    <header>
      <h1>rx-instances</h1>
      <p role="status" class=${`live ${watched.state}`}>${states[watched.state]}</p>
      ${hasToken() && html`<button type="button" onClick=${() => signIn('')}>Sign out</button>`}
    </header>
    <main>
      ${
        refusal !== undefined
          ? html`<${SignIn} refusal=${refusal} onToken=${signIn} />`
          : html`
              <${Instances}
                instances=${watched.instances}
                causes=${watched.causes}
                selected=${selected}
                onSelect=${select}
              />
              ${
                instance !== undefined &&
                html`<${Detail}
                  key=${instance.id}
                  instance=${instance}
                  why=${watched.causes.get(instance.id)}
                  head=${watched.head}
                  onClose=${() => select(undefined)}
                />`
              }
              <${Events} events=${watched.events} title="Events" />
              <${Consumers} key=${round} isLive=${watched.state === 'live'} />
            `
      }
    </main>
  `;
}

render(html`<${App} />`, document.getElementById('app'));
