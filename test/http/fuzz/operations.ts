import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** What JSON Schema says of a value. */
export type Schema = Readonly<Record<string, unknown>>;

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

/** The document of a server. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
}

/** An operation that a server says it has. */
export interface Operation {
  readonly name: string;
  readonly method: string;
  /** Its path, with names in braces. */
  readonly template: string;
  readonly query: readonly { readonly name: string; readonly schema: Schema }[];
  readonly body: Schema | undefined;
  /** Whether an answer may take its time: it waits, or it is a stream. */
  readonly takesTime: boolean;
  /** What the document does not say of an answer; nothing where it is held to it. */
  faultOf(status: number, contentType: string, text: string): string | undefined;
}

/** Reads the operations of a document. */
export function operationsOf(document: ApiDocument): readonly Operation[] {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', ...document });

  const validators = new Map<string, ValidateFunction>();
  const validatorAt = (place: readonly string[]): ValidateFunction => {
    const pointer = place
      .map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))
      .map(encodeURIComponent)
      .join('/');
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `document#/${pointer}` });
    validators.set(pointer, known);
    return known;
  };

  const operationAt = (template: string, method: string, its: Described): Operation => ({
    name: its.operationId,
    method: method.toUpperCase(),
    template,
    query: (its.parameters ?? []).filter((parameter) => parameter.in === 'query'),
    body: its.requestBody?.content?.['application/json']?.schema,
    takesTime:
      its.operationId === 'waitForState' ||
      its.operationId === 'listInstances' ||
      Object.values(its.responses).some(({ content }) => content?.['text/event-stream'] !== undefined),
    faultOf: (status, contentType, text) => {
      const key = String(status) in its.responses ? String(status) : `${String(status).slice(0, 1)}XX`;
      const response = its.responses[key];
      if (response === undefined) return `the document has no ${String(status)}`;
      const type = contentType.split(';')[0] ?? '';
      if (status === 204 || response.content === undefined)
        return text === '' ? undefined : 'there is a body where none is told of';
      if (response.content[type] === undefined) return `the document has no "${contentType}"`;
      if (type !== 'application/json') return undefined;
      const place = ['paths', template, method, 'responses', key, 'content', type, 'schema'];
      const validate = validatorAt(place);
      return validate(JSON.parse(text)) ? undefined : JSON.stringify(validate.errors);
    },
  });

  return Object.entries(document.paths).flatMap(([template, operations]) =>
    Object.entries(operations).map(([method, its]) => operationAt(template, method, its)),
  );
}
