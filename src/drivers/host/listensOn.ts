import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { codeOf } from './codeOf.js';

/**
 * Whether one of some processes is who accepts connections to a port of 127.0.0.1. Outside Linux, where the system does not show it, it
 * is believed. So is a process that may not be looked into, if its user has such a socket and nobody else is seen to hold it.
 */
export async function listensOn(port: number, membersOf: () => Promise<readonly number[]>): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const [sockets, pids] = await Promise.all([listenersOf(port), membersOf()]);
  if (sockets.length === 0) return false;
  if (heldBy(pids, sockets).length > 0) return true;
  const users = new Set(pids.filter((pid) => openIn(pid) === undefined).flatMap(usersOf));
  const candidates = sockets.filter(({ user }) => users.has(user));
  return candidates.length > 0 && heldBy(everybody(), candidates).length < candidates.length;
}

interface Listener {
  /** The name that the kernel gives it as an open file. */
  readonly name: string;
  /** Who made it. */
  readonly user: string;
}

/**
 * The sockets to which the kernel gives such connections: those of that very address go before those of any address of IPv4, and these
 * before those of any address of IPv6, which may be for IPv6 only.
 */
async function listenersOf(port: number): Promise<readonly Listener[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => readTable(`/proc/net/${table}`)));
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = tables
    .flatMap((table) => table.split('\n').map((row) => row.trim().split(/\s+/)))
    .map(([, local = '', , state, , , , user = '', , inode = '']) => {
      const [address = '', localPort] = local.split(':');
      const isThere = state === listening && localPort === hexPort;
      return { address: isThere ? address : '', name: `socket:[${inode}]`, user };
    });
  return reached.map((one) => rows.filter(({ address }) => one.test(address))).find(isNotEmpty) ?? [];
}

const isNotEmpty = ({ length }: readonly unknown[]): boolean => length > 0;

const listening = '0A';

/**
 * 127.0.0.1, any address of IPv4, and any of IPv6; the former two by themselves or within IPv6, in the order of bytes of this machine
 * or the other one.
 */
const reached = [
  /^(0{16}(FFFF0000|0000FFFF))?(0100007F|7F000001)$/,
  /^(0{16}(FFFF0000|0000FFFF))?0{8}$/,
  /^0{32}$/,
];

/** A system without IPv6 has no table of that. */
const readTable = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

const everybody = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Those of some sockets that processes are seen to hold. */
function heldBy(pids: readonly number[], sockets: readonly Listener[]): readonly Listener[] {
  const open = new Set(pids.flatMap((pid) => openIn(pid) ?? []));
  return sockets.filter(({ name }) => open.has(name));
}

/** What a process has open; nothing once it has ended, and `undefined` where that may not be read. */
function openIn(pid: number): readonly string[] | undefined {
  const folder = `/proc/${String(pid)}/fd`;
  try {
    return readdirSync(folder).map((name) => targetOf(`${folder}/${name}`));
  } catch (error) {
    const code = codeOf(error);
    return code === 'EACCES' || code === 'EPERM' ? undefined : [];
  }
}

/** Of what was closed meanwhile, nothing. */
const targetOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

/** All users as whom a process acts or may act. */
function usersOf(pid: number): readonly string[] {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    return /^Uid:\t(.+)$/m.exec(status)?.[1]?.split('\t') ?? [];
  } catch {
    return [];
  }
}
