import type { IncomingHttpHeaders } from 'node:http';

/** The languages that a client of a WebSocket offers, by name. */
export const protocolsOf = ({
  'sec-websocket-protocol': offered = '',
}: IncomingHttpHeaders): readonly string[] => offered.split(',').map((protocol) => protocol.trim());
