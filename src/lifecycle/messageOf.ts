/** What a thrown value says, whatever it is. */
export function messageOf(thrown: unknown): string {
  // Not by `instanceof`: it may come from another realm, and `String` throws on an object without a prototype.
  if (typeof thrown !== 'object' || thrown === null) return String(thrown);
  return 'message' in thrown ? String(thrown.message) : Object.prototype.toString.call(thrown);
}
