import rxjs from 'eslint-plugin-rxjs-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const noSleep = 'time is virtual in tests, and whatever is waited for is an event';
const throughRxjs = 'time goes through a scheduler of RxJS, so that tests can hold it';
const fromLib = 'import its file, as in fp-ts/lib/Either.js: folders are not found from native ES modules';

export default defineConfig(
  { ignores: ['dist', 'build', 'coverage', 'test/house/fixtures/layers', '**/*.{js,cjs,mjs}'] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  rxjs.configs.strict,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // `{ taken, ...rest }` is how a field is left out.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      // `!` is forbidden, so that what has to be asserted says as what.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // Factories return closures: nothing here has a `this` to lose.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-deprecated': [
        'error',
        {
          allow: [
            // Its constructor is the one way to unsubscribe within the first value.
            { from: 'package', name: 'Subscriber', package: 'rxjs' },
            // What comes after it is imported by the newest Grafana only.
            { from: 'package', name: 'DashboardBuilder', package: '@grafana/grafana-foundation-sdk' },
          ],
        },
      ],
      // A stream that ends without its one value is an error, and rejects as one.
      'rxjs-x/no-ignored-default-value': 'off',
      // A stream that cannot fail needs no handler; should it fail, that is a fault to be heard of.
      'rxjs-x/no-ignored-error': 'off',
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^fp-ts$', message: 'the root of fp-ts takes 100 ms to load' },
            { regex: '^(fp-ts|io-ts)/(?!lib/.+\\.js$)', message: fromLib },
            { regex: '^(node:)?timers', importNames: ['setTimeout', 'setInterval'], message: noSleep },
            { regex: '^rxjs/internal', message: 'rxjs may change it in any release' },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**'],
    ignores: ['test/house/fixtures/**'],
    rules: {
      'no-restricted-globals': ['error', { name: 'setTimeout', message: noSleep }],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'MemberExpression[object.name=/^(it|test|describe)$/][property.name=/^(skip|only|todo)$/]',
          message: 'a test is run, or it is not there',
        },
        {
          selector: 'MemberExpression[object.name=jest][property.name=/mock/i]',
          message: 'a seam is an option, never a module',
        },
      ],
      // Rows of a table may wait for nothing.
      '@typescript-eslint/await-thenable': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/class-literal-property-style': 'off',
      // A misbehaving source, and an error that is no Error, are there to be tried.
      'rxjs-x/no-redundant-notify': 'off',
      'rxjs-x/throw-error': 'off',
      // The names say what is meant, though one type takes in the other.
      '@typescript-eslint/no-redundant-type-constituents': 'off',
    },
  },
  {
    files: ['src/**'],
    rules: {
      'no-console': 'error',
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({ name, message: throughRxjs })),
      ],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
      // What was thrown from outside is thrown on as it came.
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
    },
  },
);
