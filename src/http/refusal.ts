/** What a request is answered with instead of what it asks for. */
export class Refusal extends Error {
  constructor(
    readonly statusCode: number,
    /** A word for programs: hypeman's where it has one, else the words of the status. */
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}
