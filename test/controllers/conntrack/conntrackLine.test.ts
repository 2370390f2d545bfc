import { conntrackLine } from '../../../src/controllers/conntrack/conntrackLine.js';

/** As conntrack 1.4.7 writes them; the addresses are made up. */
const ends = 'src=198.51.100.9 dst=192.0.2.7 sport=39228 dport=8080';
const back = 'src=192.0.2.7 dst=198.51.100.9 sport=8080 dport=39228';
const client = { address: '198.51.100.9', port: 39_228 };
const server = { address: '192.0.2.7', port: 8_080 };
const tuples = { original: { from: client, to: server }, reply: { from: server, to: client } };
const time = 1_795_951_675_292;

it.each<readonly [string, string, object]>([
  [
    'the first packet',
    `[1795951675.292038]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT ${ends} [UNREPLIED] ${back} id=4177198636`,
    { event: 'NEW', time, isActive: true, ...tuples },
  ],
  [
    'an answer',
    `[1795951675.292142]\t [UPDATE] ipv4     2 tcp      6 60 SYN_RECV ${ends} ${back} id=4177198636`,
    { event: 'UPDATE', time, isActive: true, ...tuples },
  ],
  [
    'a connection that is there',
    `[1795951675.292151]\t [UPDATE] ipv4     2 tcp      6 432000 ESTABLISHED ${ends} ${back} [ASSURED] id=4177198636`,
    { event: 'UPDATE', time, isActive: true, ...tuples },
  ],
  [
    'an update without a state',
    `[1795951675.292151]\t [UPDATE] ipv4     2 tcp      6 300 ${ends} ${back} [ASSURED]`,
    { event: 'UPDATE', time, isActive: true, ...tuples },
  ],
  ...['FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK', 'SYN_SENT2', 'LISTEN', 'IGNORE', 'RETRANS'].map(
    (state) =>
      [
        `one that somebody may still use: ${state}`,
        ` [UPDATE] ipv4     2 tcp      6 30 ${state} ${ends} ${back} [ASSURED]`,
        { event: 'UPDATE', isActive: true, ...tuples },
      ] as const,
  ),
  ...['NONE', 'TIME_WAIT', 'CLOSE'].map(
    (state) =>
      [
        `one that nobody uses: ${state}`,
        ` [UPDATE] ipv4     2 tcp      6 120 ${state} ${ends} ${back} [ASSURED]`,
        { event: 'UPDATE', isActive: false, ...tuples },
      ] as const,
  ),
  [
    'its end',
    `[1795951675.292417]\t[DESTROY] ipv4     2 tcp      6 120 CLOSE ${ends} [UNREPLIED] ${back} id=2106605500`,
    { event: 'DESTROY', time, isActive: false, ...tuples },
  ],
  [
    'its end as older kernels tell it',
    `[1795951675.292417]\t[DESTROY] ipv4     2 tcp      6 ${ends} packets=6 bytes=320 ${back} packets=4 bytes=220 [ASSURED]`,
    { event: 'DESTROY', time, isActive: false, ...tuples },
  ],
  [
    'a row of the table',
    `ipv4     2 tcp      6 119 ESTABLISHED ${ends} ${back} [ASSURED] mark=0 use=1 id=4177198636`,
    { isActive: true, ...tuples },
  ],
  [
    'a row with a translated address',
    `ipv4     2 tcp      6 119 ESTABLISHED src=198.51.100.9 dst=203.0.113.1 sport=39228 dport=80 ${back} [ASSURED] mark=0 use=1`,
    {
      isActive: true,
      original: { from: client, to: { address: '203.0.113.1', port: 80 } },
      reply: tuples.reply,
    },
  ],
  [
    'a row of IPv6',
    'ipv6     10 tcp      6 431999 ESTABLISHED src=2001:db8::9 dst=2001:db8::1 sport=45302 dport=8082 src=2001:db8::1 dst=2001:db8::9 sport=8082 dport=45302 [ASSURED] mark=0 use=1',
    {
      isActive: true,
      original: {
        from: { address: '2001:db8::9', port: 45_302 },
        to: { address: '2001:db8::1', port: 8_082 },
      },
      reply: {
        from: { address: '2001:db8::1', port: 8_082 },
        to: { address: '2001:db8::9', port: 45_302 },
      },
    },
  ],
])('understands %s', (_, line, flow) => {
  expect(conntrackLine(line)).toEqual(flow);
});

it.each([
  '',
  'conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.',
  `ipv4     2 udp      17 29 ${ends} ${back} mark=0 use=1`,
  `ipv4     2 tcp      6 119 ESTABLISHED ${ends} [UNREPLIED]`,
  `ipv4     2 tcp      6 119 ESTABLISHED ${ends} ${back} ${back}`,
  `ipv4     2 tcp      6 119 ESTABLISHED ${ends.replace('39228', '70000')} ${back}`,
  `ipv4     2 tcp      6 119 ESTABLISHED ${ends.replace('198.51.100.9', '198.51.100.999')} ${back}`,
  `ipv4     2 tcp      6 119 ESTABLISHED`,
])('takes nothing from %j', (line) => {
  expect(conntrackLine(line)).toBeUndefined();
});
