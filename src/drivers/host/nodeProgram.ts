import { InvalidRequest } from '../../lifecycle/errors.js';

/** What stands in the environment of a process that was started as a spawner. */
export const spawnerMark = 'RX_INSTANCES_SPAWNER';

/**
 * The Node.js that runs spawners: the one that is named, or the one that runs this application.
 *
 * @throws {@link InvalidRequest} where none is named and the application itself would be started: again and again
 */
export function nodeProgram(named: string | undefined): string {
  const { execPath, env } = process;
  if (env[spawnerMark] !== undefined) throw refused(`${execPath}, which started this application again`);
  if (named !== undefined) return named;
  if (isSingleExecutable()) throw refused(`none, and ${execPath} is a single executable application`);
  return execPath;
}

const refused = (found: string): InvalidRequest =>
  new InvalidRequest({ faults: [{ path: 'nodePath', found, expected: 'the path of a Node.js' }] });

/** Node 20 and later tell, each since one of its releases. */
function isSingleExecutable(): boolean {
  const sea = process.getBuiltinModule('node:sea') as { isSea(): boolean } | undefined;
  return sea?.isSea() === true;
}
