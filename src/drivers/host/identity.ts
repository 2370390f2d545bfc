import { linesOf } from './groupMount.js';

/** As whom a process runs. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** The other groups that it is in. */
  readonly groups: readonly number[];
  /** What the host has of the user; absent where it only has the number. */
  readonly entry?: { readonly name: string; readonly home: string; readonly shell: string };
}

const isNumber = (text: string): boolean => /^\d+$/.test(text);

const fieldsOf = (path: string): readonly (readonly string[])[] =>
  linesOf(path)
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));

/** The highest number that means somebody: the one above means nobody in particular to the kernel. */
const mostId = 2 ** 32 - 2;

/**
 * Finds a user as Docker does, in `/etc/passwd` and `/etc/group`: a name, or else a number. Where a group is named, it is in no other. Says in
 * words why there is none.
 *
 * @see moby/sys `user/user.go`, `GetExecUser`
 */
export function findIdentity(
  user: string,
  files: { readonly passwd: string; readonly group: string } = { passwd: '/etc/passwd', group: '/etc/group' },
): Identity | string {
  const [who = '', group] = user.split(':');
  const users = fieldsOf(files.passwd);
  const found =
    users.find(([name]) => name === who) ??
    users.find(([, , uid]) => isNumber(who) && Number(uid) === Number(who));
  if (found === undefined && !isNumber(who)) return `${files.passwd} names no user "${who}"`;
  const [name = '', , , , , home = '/', shell = ''] = found ?? [];
  const uid = Number(found?.[2] ?? who);
  const groups = fieldsOf(files.group);
  const gid = group === undefined ? Number(found?.[3]) : gidOf(group, groups);
  if (gid === undefined) return `${files.group} names no group "${group ?? ''}"`;
  if (Number.isNaN(gid))
    return `${files.passwd} has no user ${who}, so its group has to be named too, as ${who}:gid`;
  if (uid > mostId || gid > mostId) return 'there are no such numbers';
  const others = groups
    .filter(([, , , members = '']) => members.split(',').includes(name))
    .map(([, , id]) => Number(id));
  return {
    ...{ uid, gid },
    groups: group === undefined && name !== '' ? [...new Set(others)].filter((id) => id !== gid) : [],
    ...(found !== undefined && { entry: { name, home, shell } }),
  };
}

function gidOf(group: string, groups: readonly (readonly string[])[]): number | undefined {
  const found = groups.find(([name]) => name === group)?.[2];
  if (found !== undefined) return Number(found);
  return isNumber(group) ? Number(group) : undefined;
}

/** Whether somebody may do something with what has this owner and mode; `bit` is 1 to enter or execute, 2 to write, 4 to read. */
export function mayDo(
  { uid, gid, groups }: Pick<Identity, 'uid' | 'gid' | 'groups'>,
  found: { readonly uid: number; readonly gid: number; readonly mode: number },
  bit: 1 | 2 | 4,
): boolean {
  if (uid === 0) return bit !== 1 || (found.mode & 0o111) !== 0;
  if (found.uid === uid) return (found.mode & (bit << 6)) !== 0;
  const isMember = found.gid === gid || groups.includes(found.gid);
  return (found.mode & (isMember ? bit << 3 : bit)) !== 0;
}
