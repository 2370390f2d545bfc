// Instances that live behind the HTTP API, in Node and in a browser.
export type { WebSocketClass } from './remote/openWebSocket.js';
export { openRemote, type RemoteInstances, type RemoteOptions } from './remote/openRemote.js';
