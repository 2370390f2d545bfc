import { hasToken } from './api.mjs';
import { html } from './html.mjs';

/** Asks for a token. */
export function SignIn({ refusal, onToken }) {
  const submit = (event) => {
    event.preventDefault();
    onToken(new FormData(event.currentTarget).get('token').trim());
  };
  return html`
    <section>
      <h2 id="sign-in">Sign in</h2>
      ${(hasToken() || refusal.status !== 401) && html`<p role="alert">${refusal.message}</p>`}
      <form onSubmit=${submit}>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="off" required />
        <button type="submit">Sign in</button>
      </form>
      <p>
        It is kept in this tab only, until that is closed.${' '}
        <code>rx-instances token --sub me --permissions instance:read resource:read</code> makes one.
      </p>
    </section>
  `;
}
