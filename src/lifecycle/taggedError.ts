import { messageOf } from './messageOf.js';

/** An error that is told by its `_tag`, and says what it is about in fields. */
export type TaggedError<Tag extends string, Fields extends object> = Error &
  Readonly<Fields> & {
    readonly _tag: Tag;
    readonly name: Tag;
    /** What `JSON.stringify` writes: the tag, the message, the fields, and of the cause as much as it says. */
    toJSON(): object;
    /** Its name and its message. */
    toString(): string;
  };

/** A class of {@link TaggedError}s. Where all fields may be absent, so may the argument. */
type TaggedErrorClass<Tag extends string, Fields extends object> = new (
  ...given: object extends Fields
    ? [fields?: Fields, options?: ErrorOptions]
    : [fields: Fields, options?: ErrorOptions]
) => TaggedError<Tag, Fields>;

/** Makes the class of one tag; `describe` writes the message from the fields, and from the cause if there is one. */
export function taggedError<Tag extends string, Fields extends object>(
  tag: Tag,
  describe: (fields: Fields, cause: unknown) => string,
): TaggedErrorClass<Tag, Fields> {
  class Tagged extends Error {
    readonly _tag = tag;
    override readonly name = tag;

    constructor(fields = {} as Fields, options?: ErrorOptions) {
      super(describe(fields, options?.cause), options);
      Object.assign(this, fields);
    }

    toJSON(): object {
      const { name, cause, ...own } = this as Tagged & { readonly cause?: unknown };
      return { ...own, message: this.message, ...(cause !== undefined && { cause: causeOf(cause) }) };
    }
  }
  return Tagged as unknown as TaggedErrorClass<Tag, Fields>;
}

/** What there is to say of a cause; an error that is none of ours would be written as `{}`. */
const causeOf = (cause: unknown): unknown =>
  typeof cause === 'object' && cause !== null && 'toJSON' in cause ? cause : messageOf(cause);
