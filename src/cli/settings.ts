import * as E from 'fp-ts/lib/Either.js';
import { readFile } from 'node:fs/promises';
import { type Config, describeConfigErrors } from '../config/config.js';
import { loadConfig } from '../config/loadConfig.js';
import { isLoopback } from '../http/isLoopback.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { CliFault } from './cliFault.js';

/** What is configured, with the secret that it leads to. */
export interface Settings {
  readonly config: Config;
  readonly secret: string | undefined;
}

/** Reads the configuration from a file, if one is named, and from the environment. @throws {@link CliFault} */
export async function readSettings(path: string | undefined): Promise<Settings> {
  const loaded = await loadConfig(path, process.env)();
  if (E.isLeft(loaded)) throw new CliFault(describeConfigErrors(loaded.left));
  const config = loaded.right;
  return { config, secret: await secretOf(config.http) };
}

/** Elsewhere than on this host whoever reached the server could do all. @throws {@link CliFault} */
export function checkReach({ config: { http }, secret }: Settings): void {
  const { listenAddress } = http;
  if (secret !== undefined || listenAddress === 'localhost' || isLoopback(listenAddress)) return;
  throw new CliFault(
    `http.listen_address: found '${listenAddress}', expected a loopback address, or a secret (http.secret_file)`,
  );
}

async function secretOf({ secret, secretFile }: Config['http']): Promise<string | undefined> {
  if (secretFile === undefined) return secret;
  if (secret !== undefined)
    throw new CliFault('http.secret_file: found beside http.secret, expected one of them');
  const text = await readFile(secretFile, 'utf8').catch((error: unknown) => {
    throw new CliFault(`http.secret_file: cannot be read: ${messageOf(error)}`);
  });
  // Editors end a file with a new line.
  const read = text.trim();
  if (read.length >= 32) return read;
  throw new CliFault(
    `http.secret_file: found a secret of ${String(read.length)} characters, expected 32 or more`,
  );
}
