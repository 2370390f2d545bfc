const policies: ReadonlySet<string> = new Set(['auto_standby', 'health_check', 'restart_policy']);

/**
 * Tells by what name a field of a request stands in a body, of which a fault was told by its name within the program: `stopGraceMs` is
 * `stop_grace_ms`. Durations of policies bear no unit there; names of variables and labels are the caller's, and stay.
 */
export function wirePathOf(path: string): string {
  const [head = '', ...rest] = path.split(/(?=[.[])/);
  const field = snakeCase(head);
  if (['env', 'secrets', 'tags'].includes(field)) return path;
  if (field === 'ttl_ms') return 'ttl';
  if (field === 'driver') return 'hypervisor';
  const within = rest.map(snakeCase).join('');
  return policies.has(field) ? `${field}${within.replace(/_ms$/, '')}` : `${field}${within}`;
}

const snakeCase = (name: string): string =>
  name.startsWith('[')
    ? name
    : name.replace(/MiB$/, '_mib').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
