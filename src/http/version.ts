/** The version of this package: of a bundle its `package.json` is no part. */
export const version = '0.1.0';
