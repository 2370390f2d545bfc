// Instances that live behind the HTTP API, in Node and in a browser.
export { openRemote, type RemoteInstances, type RemoteOptions } from './remote/openRemote.js';
