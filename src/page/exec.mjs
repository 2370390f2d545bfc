import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, openWebSocket } from './api.mjs';
import { html } from './html.mjs';

/** Of longer output the end is shown. */
const mostText = 200_000;
/** So many bytes may come before they are shown. */
const room = 262_144;

const path = 'calls/exec';

const runnable = ['Initializing', 'Running'];

/** Runs a line by a shell in an instance, and tells what it writes; returns how it is cancelled. */
function run(id, line, { onText, onEnd }) {
  const socket = openWebSocket(path, 'rx-instances.exec.v1');
  const texts = { 1: new TextDecoder(), 2: new TextDecoder() };
  let end;
  const say = (message) => socket.send(JSON.stringify(message));
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    end = 'It was cut off.';
    say({ arguments: [id, { command: 'sh', args: ['-c', line] }], credit: room });
  };
  socket.onmessage = ({ data }) => {
    if (typeof data !== 'string') {
      const bytes = new Uint8Array(data);
      onText(texts[bytes[0]].decode(bytes.subarray(1), { stream: true }));
      if (bytes.length > 1) say({ type: 'credit', bytes: bytes.length - 1 });
      return;
    }
    const { type, code, signal, message } = JSON.parse(data);
    if (type === 'failed') end = message;
    if (type === 'exit')
      end = code === null ? `Ended by ${signal ?? 'nobody knows what'}` : `Exit code ${code}`;
  };
  socket.onclose = async () => {
    // A browser does not tell why a WebSocket was refused.
    end ??= await ask('GET', path).catch(({ message }) => message);
    onEnd(end);
  };
  return () => {
    end = 'Cancelled';
    socket.close();
  };
}

/** Runs commands in an instance, one after another, without a terminal. */
export function Exec({ instance }) {
  const [text, setText] = useState('');
  const [end, setEnd] = useState();
  const [isRunning, setIsRunning] = useState(false);
  const cancel = useRef(() => undefined);
  useEffect(() => () => cancel.current(), [instance.id]);

  const submit = (event) => {
    event.preventDefault();
    let shown = '';
    let frame;
    const show = () => {
      frame = undefined;
      setText(shown);
    };
    setText('');
    setEnd(undefined);
    setIsRunning(true);
    cancel.current = run(instance.id, new FormData(event.currentTarget).get('line'), {
      onText: (more) => {
        shown = (shown + more).slice(-mostText);
        frame ??= setTimeout(show, 16);
      },
      onEnd: (how) => {
        clearTimeout(frame);
        show();
        setEnd(how);
        setIsRunning(false);
      },
    });
  };

  return html`
    <h3 id="exec">Run a command</h3>
    <form class="exec" onSubmit=${submit}>
      <label for="exec-line">Command, run by <code>sh</code></label>
      <input id="exec-line" name="line" required autocomplete="off" spellcheck=${false} />
      <div class="verbs">
        <button type="submit" disabled=${isRunning || !runnable.includes(instance.state)}>Run</button>
        <button type="button" disabled=${!isRunning} onClick=${() => cancel.current()}>Cancel</button>
      </div>
    </form>
    ${text !== '' && html`<pre tabindex="0" role="region" aria-label="Output">${text}</pre>`}
    <p role="status">${isRunning ? 'Running …' : end}</p>
  `;
}
