import { execProtocol, tokenProtocol } from '../codecs/wire/wireExec.js';
import { ApiFailed } from '../lifecycle/errors.js';

/** What is used of a WebSocket, as browsers have it. */
export interface WebSocketLike {
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(data: string | Uint8Array): void;
  close(): void;
}

/** `WebSocket`, as browsers have it; what it makes is used as they describe it. */
export type WebSocketClass = new (address: string, protocols: string[]) => object;

/** Opens a WebSocket to a path of the API. */
export type OpenWebSocket = (path: string) => WebSocketLike;

/** How the API is reached. */
export interface WebSocketAddress {
  readonly baseUrl: string;
  readonly token: string | undefined;
  /** Instead of the platform's. */
  readonly WebSocket: WebSocketClass | undefined;
}

/** Makes an {@link OpenWebSocket}. A token goes as the name of a language: a browser can set no headers, and an address stands in logs. */
export function webSocketsOf({ baseUrl, token, WebSocket }: WebSocketAddress): OpenWebSocket {
  const base = baseUrl.replace(/^http/, 'ws').replace(/\/+$/, '');
  const protocols = [execProtocol, ...(token === undefined ? [] : [`${tokenProtocol}${base64Url(token)}`])];
  return (path) => {
    const Class = WebSocket ?? (globalThis as { readonly WebSocket?: WebSocketClass }).WebSocket;
    if (Class === undefined)
      throw new ApiFailed({ reason: 'this platform has no WebSocket, and openRemote was given none' });
    return new Class(`${base}${path}`, [...protocols]) as WebSocketLike;
  };
}

/** A token is ASCII. */
const base64Url = (text: string): string =>
  btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
