import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from './api.mjs';
import { html } from './html.mjs';

const stoppable = ['Initializing', 'Running', 'Paused', 'Shutdown', 'Standby', 'Unknown'];

const verbs = [
  { verb: 'start', label: 'Start', from: ['Stopped'] },
  { verb: 'stop', label: 'Stop', from: stoppable },
  { verb: 'standby', label: 'Standby', from: ['Running'] },
  { verb: 'restore', label: 'Restore', from: ['Paused', 'Standby', 'Unknown'] },
  { verb: 'restart', label: 'Restart', from: [...stoppable, 'Stopped'] },
];

const bodies = { start: {}, standby: {} };

/** Of one id, whatever it holds. */
const pathOf = ({ id }, rest = '') => `instances/${encodeURIComponent(id)}${rest}`;

/** The API has no restart: it is a stop, then a start. */
async function carryOut(instance, verb) {
  if (verb !== 'restart') return ask('POST', pathOf(instance, `/${verb}`), { body: bodies[verb] });
  if (instance.state !== 'Stopped') await ask('POST', pathOf(instance, '/stop'));
  return ask('POST', pathOf(instance, '/start'), { body: bodies.start });
}

/** A dialog that is open as long as it is there. Escape closes it. */
function Dialog({ label, children, onClose }) {
  const dialog = useRef();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} aria-label=${label} onClose=${onClose}>${children}</dialog>`;
}

/** The buttons of an instance. What fails is said beside them. */
export function Verbs({ instance }) {
  const [busy, setBusy] = useState();
  const [fault, setFault] = useState();
  const [open, setOpen] = useState();
  const act = async (name, action) => {
    setBusy(name);
    setFault(undefined);
    await action().catch((error) => setFault(error.message));
    setBusy(undefined);
  };
  const fork = (event) => {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get('name').trim();
    setOpen(undefined);
    const body = { name, ...(instance.state === 'Running' && { from_running: true }) };
    void act('fork', () => ask('POST', pathOf(instance, '/fork'), { body }));
  };
  const remove = (event) => {
    event.preventDefault();
    setOpen(undefined);
    void act('delete', () => ask('DELETE', pathOf(instance)));
  };
  const close = () => setOpen(undefined);

  return html`
    <div class="verbs" role="group" aria-label=${`What to do with ${instance.name}`}>
      ${verbs.map(
        ({ verb, label, from }) => html`
          <button
            key=${verb}
            type="button"
            disabled=${busy !== undefined || !from.includes(instance.state)}
            onClick=${() => act(verb, () => carryOut(instance, verb))}
          >
            ${label}
          </button>
        `,
      )}
      <button
        type="button"
        disabled=${busy !== undefined || !['Stopped', 'Standby', 'Running'].includes(instance.state)}
        onClick=${() => setOpen('fork')}
      >
        Fork…
      </button>
      <button type="button" class="danger" disabled=${busy !== undefined} onClick=${() => setOpen('delete')}>
        Delete…
      </button>
    </div>
    ${busy !== undefined && html`<p role="status">${busy} …</p>`}
    ${fault !== undefined && html`<p role="alert">${fault}</p>`}
    ${
      open === 'fork' &&
      html`
        <${Dialog} label=${`Fork ${instance.name}`} onClose=${close}>
          <form onSubmit=${fork}>
            <label for="fork-name">Name of the copy</label>
            <input id="fork-name" name="name" required maxlength="64" value=${`${instance.name}-copy`} />
            <div class="verbs">
              <button type="submit">Fork</button>
              <button type="button" onClick=${close}>Cancel</button>
            </div>
          </form>
        <//>
      `
    }
    ${
      open === 'delete' &&
      html`
        <${Dialog} label=${`Delete ${instance.name}`} onClose=${close}>
          <form onSubmit=${remove}>
            <p>Delete ${instance.name}, with its files and logs?</p>
            <div class="verbs">
              <button type="button" onClick=${close}>Cancel</button>
              <button type="submit" class="danger">Delete</button>
            </div>
          </form>
        <//>
      `
    }
  `;
}
