import { getSystemErrorMap } from 'node:util';
import { ExecFailed } from '../../lifecycle/errors.js';
import { type AgentProgram, mostExecs } from './agentMessages.js';

/** Why a guest has not started a program, in its own words as far as it has any. */
export function execFailure(
  { command: [program = ''], cwd = '' }: AgentProgram,
  { at, errno }: { readonly at: string; readonly errno: number },
): ExecFailed {
  const [name, words] = getSystemErrorMap().get(-errno) ?? [`error ${String(errno)}`, 'an unknown error'];
  const cause = Object.assign(new Error(`${words} (${name})`), { code: name });
  const failed = (reason: string, code: 126 | 127 = 126): ExecFailed =>
    new ExecFailed({ reason, code }, { cause });
  switch (at) {
    case 'x':
      return name === 'ENOENT'
        ? failed(
            `there is no program "${program}"${program.includes('/') ? '' : ' in PATH'} in the guest`,
            127,
          )
        : failed(`"${program}" cannot be executed in the guest: ${words}`);
    case 'c':
      return failed(`the guest cannot work in the folder ${cwd}: ${words}`);
    case 'm':
      return failed(`the guest runs ${String(mostExecs)} programs already`);
    default:
      return failed(`the guest could not start it: ${words}`);
  }
}
