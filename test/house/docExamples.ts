import vm from 'node:vm';
import ts from 'typescript';

/** A runnable example of a doc comment. */
export interface DocExample {
  /** File and line. */
  readonly name: string;
  readonly code: string;
}

/** Compares what an example gives with what it says after `// =>`. */
export type Same = (actual: unknown, expected: unknown) => void;

/** Finds the examples of a source file: every `@example` has to be one block of `ts`. */
export function examplesIn(file: string, text: string): readonly DocExample[] {
  return [...text.matchAll(/^ *\* @example$/gm)].map(({ index }) => {
    const name = `${file}:${String(text.slice(0, index).split('\n').length)}`;
    const rest = text.slice(index, text.indexOf('*/', index));
    const block = /^ *\* @example\n *\* ```ts\n(.*?)\n *\* ```\n/s.exec(rest)?.[1];
    if (block === undefined) throw new Error(`${name}: an @example is one block of \`\`\`ts`);
    return { name, code: block.replace(/^ *\* ?/gm, '') };
  });
}

/** Writes an example as a module with one function, in which each `expr; // => value` is a call of `same`. */
export function moduleOf({ name, code }: DocExample): string {
  const source = ts.createSourceFile('example.ts', code, ts.ScriptTarget.ES2022);
  const imports = source.statements.filter(ts.isImportDeclaration);
  const steps = source.statements.filter((statement) => !ts.isImportDeclaration(statement));
  let assertions = 0;

  const lines = steps.map((statement) => {
    const expected = expectedAfter(code, statement.end);
    if (expected === undefined) return statement.getText(source);
    if (!ts.isExpressionStatement(statement)) throw new Error(`${name}: \`// =>\` after no expression`);
    assertions += 1;
    return `same(${statement.expression.getText(source)}, ${expected});`;
  });
  if (assertions === 0) throw new Error(`${name}: nothing is told by \`// =>\``);

  return [
    ...imports.map((statement) => statement.getText(source)),
    'declare const same: (actual: unknown, expected: unknown) => void;',
    'export async function example() {',
    ...lines,
    '}',
  ].join('\n');
}

const expectedAfter = (code: string, end: number): string | undefined =>
  (ts.getTrailingCommentRanges(code, end) ?? [])
    .map((range) => /^\/\/ => (.+)$/.exec(code.slice(range.pos, range.end))?.[1])
    .find((value) => value !== undefined);

/** What was read for one compilation serves the next: most of it is the compiler's own library. */
const readBefore = new Map<string, ts.SourceFile | undefined>();

/** Compiles examples as one who imports the package, and returns what the compiler says, a line for each fault. */
export function faultsOf(examples: readonly DocExample[]): readonly string[] {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
  const modules = new Map(
    examples.map((example, index) => [`${process.cwd()}/test/house/example${String(index)}.ts`, example]),
  );
  const host = ts.createCompilerHost(options);
  const readFile = host.readFile.bind(host);
  host.readFile = (path) => {
    const example = modules.get(path);
    return example === undefined ? readFile(path) : moduleOf(example);
  };
  const fileExists = host.fileExists.bind(host);
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, ...how) => {
    if (modules.has(path)) return getSourceFile(path, ...how);
    if (!readBefore.has(path)) readBefore.set(path, getSourceFile(path, ...how));
    return readBefore.get(path);
  };

  const program = ts.createProgram([...modules.keys()], options, host);
  return [...modules].flatMap(([path, { name }]) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      .map(({ messageText }) => `${name}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`),
  );
}

/** Runs an example. `load` gives the modules that it imports. */
export async function run(example: DocExample, load: (name: string) => unknown, same: Same): Promise<void> {
  const { outputText } = ts.transpileModule(moduleOf(example), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const exports: { example?: () => Promise<void> } = {};
  // The example is there to be run, as a module of its own.
  const module = vm.compileFunction(outputText, ['require', 'exports', 'same']) as (
    ...given: unknown[]
  ) => void;
  module(load, exports, same);
  await exports.example?.();
}
