/** What whoever started the program has to mend; told as it is, without the place in the program. */
export class CliFault extends Error {
  override readonly name = 'CliFault';
}
