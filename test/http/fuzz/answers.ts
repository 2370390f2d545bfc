/** An answer as it came. */
export interface HeardAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
  /** Whether all of it is there. */
  readonly isWhole: boolean;
}

/**
 * Reads answers of HTTP/1.1 as they come, by the letter: what is no answer is told by `fault`, and nothing is read after it. It knows by
 * the methods that were asked for which of them have no body.
 */
export class Answers {
  readonly heard: HeardAnswer[] = [];
  fault: string | undefined;
  private bytes = Buffer.alloc(0);

  constructor(private readonly methods: readonly string[]) {}

  /** Whether something has come of which not all is there. */
  get isWithin(): boolean {
    return this.bytes.length > 0;
  }

  take(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    while (this.fault === undefined && this.bytes.length > 0) {
      const answer = this.next();
      if (answer === undefined) return;
      // Of those to come: it is no answer yet.
      if (answer.status >= 200) this.heard.push(answer);
    }
  }

  /** What has begun of an answer and not ended, as that of a stream does. */
  get begun(): HeardAnswer | undefined {
    const head = this.head();
    return head === undefined
      ? undefined
      : { ...head, text: this.bytes.toString('utf8', head.end), isWhole: false };
  }

  private head():
    { readonly status: number; readonly headers: Map<string, string>; readonly end: number } | undefined {
    const end = this.bytes.indexOf('\r\n\r\n');
    if (end === -1) return undefined;
    const [first = '', ...lines] = this.bytes.toString('latin1', 0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e]*$/.exec(first)?.[1] ?? NaN);
    if (Number.isNaN(status))
      return this.failed(`no answer begins so: ${JSON.stringify(first.slice(0, 200))}`);
    const headers = new Map<string, string>();
    for (const line of lines) {
      const [, name = '', value = ''] = /^([\w-]+): ?([\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
      if (name === '') return this.failed(`this is no header: ${JSON.stringify(line.slice(0, 200))}`);
      if (headers.has(name.toLowerCase())) return this.failed(`the header ${name} is there twice`);
      headers.set(name.toLowerCase(), value);
    }
    return { status, headers, end: end + 4 };
  }

  private next(): HeardAnswer | undefined {
    const head = this.head();
    if (head === undefined) return undefined;
    const { status, headers, end } = head;
    const hasNone =
      status < 200 || status === 204 || status === 304 || this.methods[this.heard.length] === 'HEAD';
    const body = hasNone ? { text: '', end } : this.body(headers, end);
    if (body === undefined) return undefined;
    this.bytes = this.bytes.subarray(body.end);
    return { status, headers, text: body.text, isWhole: true };
  }

  private body(
    headers: ReadonlyMap<string, string>,
    begin: number,
  ): { readonly text: string; readonly end: number } | undefined {
    if (headers.get('transfer-encoding') === 'chunked') return this.chunks(begin);
    const length = headers.get('content-length');
    if (length === undefined) return this.failed('an answer tells no length');
    const end = begin + Number(length);
    return this.bytes.length < end ? undefined : { text: this.bytes.toString('utf8', begin, end), end };
  }

  private chunks(begin: number): { readonly text: string; readonly end: number } | undefined {
    const pieces: Buffer[] = [];
    let at = begin;
    for (;;) {
      const line = this.bytes.indexOf('\r\n', at);
      if (line === -1) return undefined;
      const size = this.bytes.toString('latin1', at, line);
      if (!/^[0-9a-f]+$/i.test(size))
        return this.failed(`this is no chunk: ${JSON.stringify(size.slice(0, 99))}`);
      const [from, to] = [line + 2, line + 2 + parseInt(size, 16)];
      if (this.bytes.length < to + 2) return undefined;
      at = to + 2;
      if (to === from) return { text: Buffer.concat(pieces).toString('utf8'), end: at };
      pieces.push(this.bytes.subarray(from, to));
    }
  }

  private failed(fault: string): undefined {
    this.fault ??= fault;
    return undefined;
  }
}
