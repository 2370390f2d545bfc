/** A time as a person reads it: without its day, where that is today. */
export function timeOf(time) {
  if (time === undefined) return '';
  const date = new Date(time);
  return date.toDateString() === new Date().toDateString()
    ? date.toLocaleTimeString(undefined, { timeStyle: 'medium' })
    : date.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
}

/** Since when an instance is what it is: the time of the event that made it so, or what it tells of itself. */
export const sinceOf = (instance, why) =>
  why?.time ??
  (instance.state === 'Stopped' ? instance.stopped_at : instance.started_at) ??
  instance.created_at;

/** Why an instance is what it is. */
export function whyOf(instance, why) {
  const parts = [];
  if (why !== undefined) {
    const { by, reason } = why.cause;
    parts.push(`${why.action} by ${by}${reason === undefined ? '' : `: ${reason}`}`);
  }
  if (instance.state === 'Stopped' && instance.exit_signal != null)
    parts.push(`ended by ${instance.exit_signal}`);
  else if (instance.state === 'Stopped' && instance.exit_code != null)
    parts.push(`exit code ${instance.exit_code}`);
  if (instance.state_error !== undefined) parts.push(instance.state_error);
  return parts.join('; ');
}

/** What an event tells, in a line. */
export function told({ action, instance_id: id, previous_state: from, instance, last, snapshot, cause }) {
  const name = (instance ?? last)?.name ?? snapshot?.name ?? id;
  const to = instance?.state ?? (action === 'delete' ? 'gone' : undefined);
  const change = to === undefined ? '' : from === undefined || from === to ? to : `${from} → ${to}`;
  return { action, name, change, by: cause.reason === undefined ? cause.by : `${cause.by}: ${cause.reason}` };
}
