import type { AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { tokenProtocol } from '../codecs/wire/wireExec.js';
import { protocolsOf } from './exec/protocolsOf.js';
import { isLoopback } from './isLoopback.js';
import { Refusal } from './refusal.js';
import { type Scope, scopeOf } from './scopes.js';
import { createTokens, type Caller, type Tokens } from './tokens.js';

/** Who asks where nobody has to say so. */
const anybody: Caller = { by: 'api', permissions: undefined };

const decoration = 'rxInstancesCaller';

/** The name under which events tell of what this request asks for: of its token's subject. */
export const callerOf = (request: FastifyRequest): string => request.getDecorator<Caller>(decoration).by;

/** Refuses what a request asks for beyond its route, if its caller may not do that too. @throws {@link Refusal} */
export const requireScope = (request: FastifyRequest, scope: Scope): void => {
  refuseUnpermitted(request.getDecorator<Caller>(decoration), scope);
};

/**
 * Sees to it that each route of this part of a server is answered only for who may ask it: the route says its {@link Scope} by
 * `route`, and one that says none is not let in at all.
 */
export function guard(app: FastifyInstance, secret: string | undefined): void {
  const tokens = secret === undefined ? undefined : createTokens(secret);
  app.decorateRequest(decoration);
  app.addHook('onRoute', ({ method, url, config }) => {
    if (scopeOf(config) === undefined) throw new Error(`the route ${String(method)} ${url} says no scope`);
  });
  app.addHook('onListen', (done) => {
    if (tokens === undefined && !app.addresses().every(isLocal))
      app.log.warn('without a secret only this host is served, whatever is listened on');
    done();
  });
  app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done) => {
    reply.header('x-request-id', request.id);
    // What no route serves is answered to nobody who may ask nothing.
    const scope = scopeOf(request.routeOptions.config) ?? 'any';
    request.setDecorator(decoration, admitted(tokens, request, scope));
    done();
  });
}

/** Who asks, if they may. @throws {@link Refusal} */
function admitted(tokens: Tokens | undefined, request: FastifyRequest, scope: Scope): Caller {
  if (tokens === undefined) {
    refuseForeign(request);
    return anybody;
  }
  if (scope === 'public') return anybody;
  const caller = tokens.callerOf(request.headers.authorization ?? bearerOf(request));
  if (scope !== 'any') refuseUnpermitted(caller, scope);
  return caller;
}

/** A browser sets no headers of a WebSocket but the names of languages: one of them may be a token. It stands in no address, which logs tell. */
function bearerOf({ headers }: FastifyRequest): string | undefined {
  const named = protocolsOf(headers).find((protocol) => protocol.startsWith(tokenProtocol));
  if (named === undefined) return undefined;
  return `Bearer ${Buffer.from(named.slice(tokenProtocol.length), 'base64url').toString()}`;
}

function refuseUnpermitted({ permissions }: Caller, scope: Scope): void {
  if (permissions === undefined || permissions.has(scope) || permissions.has('*')) return;
  throw new Refusal(403, 'Forbidden', `missing required scope: ${scope}`);
}

/**
 * Without a secret whoever reaches the server may do all: so it is reached from this host only, by programs that know where they go, and by no
 * page of another place, which a browser would let ask, or would be led here by a name that it had looked up elsewhere.
 */
function refuseForeign({ raw, headers }: FastifyRequest): void {
  const { localAddress } = raw.socket;
  if (localAddress !== undefined && !isLoopback(localAddress))
    throw new Refusal(403, 'Forbidden', 'without a secret only this host is served');
  const { host = '', origin } = headers;
  if (!isOfThisHost(host)) throw new Refusal(403, 'Forbidden', 'this Host is not served without a secret');
  if (origin !== undefined && origin !== `http://${host}`)
    throw new Refusal(403, 'Forbidden', 'this Origin is not served without a secret');
}

/** Of a socket in the file system its rights decide. */
const isLocal = (address: AddressInfo | string): boolean =>
  typeof address === 'string' || isLoopback(address.address);

const isOfThisHost = (host: string): boolean => {
  const name = /^(\[[0-9a-f:.]+\]|[^:]*)(:\d{1,5})?$/i.exec(host)?.[1]?.replace(/^\[|\]$/g, '');
  return name !== undefined && (name.toLowerCase() === 'localhost' || isLoopback(name));
};
