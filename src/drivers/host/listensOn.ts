import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { codeOf } from './codeOf.js';

/**
 * Whether one of some processes is who accepts connections to a port of 127.0.0.1. Where the system does not tell, outside Linux or
 * for processes of another user, it is believed.
 */
export async function listensOn(port: number, membersOf: () => Promise<readonly number[]>): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const [sockets, pids] = await Promise.all([listenersOf(port), membersOf()]);
  return pids.some((pid) => holdsOneOf(pid, sockets));
}

/** The sockets that listen there, by the names that the kernel gives them as open files. */
async function listenersOf(port: number): Promise<ReadonlySet<string>> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => readTable(`/proc/net/${table}`)));
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = tables.flatMap((table) => table.split('\n').map((row) => row.trim().split(/\s+/)));
  return new Set(
    rows
      .filter(([, local = '', , state]) => {
        const [address = '', localPort] = local.split(':');
        return state === listening && localPort === hexPort && reached.test(address);
      })
      .map((fields) => `socket:[${fields[9] ?? ''}]`),
  );
}

const listening = '0A';

/** Any address, or 127.0.0.1, by itself or within IPv6, in the order of bytes of this machine or the other one. */
const reached = /^(0+|(0{16}(FFFF0000|0000FFFF))?(0100007F|7F000001))$/;

/** A system without IPv6 has no table of that. */
const readTable = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

function holdsOneOf(pid: number, sockets: ReadonlySet<string>): boolean {
  const folder = `/proc/${String(pid)}/fd`;
  try {
    return readdirSync(folder).some((name) => sockets.has(targetOf(`${folder}/${name}`)));
  } catch (error) {
    const code = codeOf(error);
    return code === 'EACCES' || code === 'EPERM';
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
