// What can be set, from a file and the environment.
export { type Config, type ConfigErrors, decodeConfig, describeConfigErrors } from './config/config.js';
export type { Environment, EnvironmentOptions } from './config/environment.js';
export { loadConfig } from './config/loadConfig.js';
