import { connect } from 'node:net';
import fc from 'fast-check';
import { asyncScheduler, type Subscription } from 'rxjs';
import { Answers, type HeardAnswer } from './answers.js';
import { type Drawn, requestsFor } from './drawn.js';
import { faultOf } from './judge.js';
import type { Operation } from './operations.js';
import type { Written } from './written.js';

/** How a client behaves. */
export type Manner =
  | 'whole'
  | 'pieces'
  | 'slow'
  /** Ends its side at once. */
  | 'halfClosed'
  | 'cutWhileSending'
  | 'cutWhileHearing'
  | 'reset';

/** Requests on one connection, one sent after another whether there is an answer or not. */
export interface Conversation {
  readonly requests: readonly Drawn[];
  readonly manner: Manner;
  /** Where the bytes are parted, as parts of the whole. */
  readonly seams: readonly number[];
  /** Which of the servers is asked, and with which token. */
  readonly door: number;
}

/** Draws conversations about these operations. */
export function conversationsAbout(operations: readonly Operation[]): fc.Arbitrary<Conversation> {
  const requests = fc.oneof(...operations.map(requestsFor));
  return fc.record({
    requests: fc.oneof(
      { arbitrary: fc.array(requests, { minLength: 1, maxLength: 1 }), weight: 2 },
      { arbitrary: fc.array(requests, { minLength: 2, maxLength: 8 }), weight: 3 },
    ),
    manner: fc.oneof(
      { arbitrary: fc.constant<Manner>('whole'), weight: 8 },
      { arbitrary: fc.constant<Manner>('pieces'), weight: 4 },
      {
        arbitrary: fc.constantFrom<Manner>(
          'slow',
          'halfClosed',
          'cutWhileSending',
          'cutWhileHearing',
          'reset',
        ),
        weight: 3,
      },
    ),
    seams: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
    door: fc.nat(511),
  });
}

/** What came of a conversation. */
export interface Outcome {
  readonly heard: readonly HeardAnswer[];
  readonly fault: string | undefined;
}

/** How long an answer may take that takes no time of its own: a machine may be busy. */
const patienceMs = 30_000;
/** How long a stream is read, or a wait waited. */
const streamMs = 25;
/** How long it is listened to what is said of what nobody understands. */
const oddMs = 100;
/** The same as long as it takes a server to lose its patience. */
const oddestMs = 4_000;

/** Speaks to a server, and judges what it says. What takes time comes last. */
export function speak(
  port: number,
  requests: readonly Written[],
  { manner, seams, door }: Pick<Conversation, 'manner' | 'seams' | 'door'>,
): Promise<Outcome> {
  const answers = new Answers(requests.map(({ method }) => method));
  const isHeardOut = ['whole', 'pieces', 'slow'].includes(manner);
  const isFramed = requests.every((request) => request.isFramed);
  const prompt = requests.filter(({ takesTime }) => !takesTime).length;
  const mostMs = isHeardOut && isFramed ? patienceMs : door === 0 ? oddestMs : oddMs;

  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const timers: Subscription[] = [];
    let isLate = false;
    const after = (ms: number, act: () => void): void => {
      timers.push(asyncScheduler.schedule(act, ms));
    };
    const hear = (): void => {
      const { fault, heard } = answers;
      if (manner === 'cutWhileHearing') socket.destroy();
      else if (fault !== undefined || heard.length === requests.length) socket.end();
      else if (heard.length >= prompt) after(streamMs, () => socket.destroy());
    };
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      answers.take(chunk);
      hear();
    });
    socket.on('close', () => {
      for (const timer of timers) timer.unsubscribe();
      const isAnswered = isHeardOut && isFramed;
      resolve({ heard: allOf(answers), fault: judged(answers, requests, { isAnswered, isLate, prompt }) });
    });
    after(mostMs, () => {
      isLate = true;
      socket.destroy();
    });
    socket.on('connect', () => {
      send(Buffer.concat(requests.map(({ bytes }) => bytes)));
      if (prompt === 0) after(streamMs, () => socket.destroy());
    });

    const send = (bytes: Buffer): void => {
      const places = [...new Set(seams.map((seam) => Math.floor(seam * bytes.length)))].toSorted(
        (a, b) => a - b,
      );
      if (manner === 'whole' || manner === 'cutWhileHearing') socket.write(bytes);
      else if (manner === 'halfClosed') socket.end(bytes);
      else if (manner === 'pieces' || manner === 'slow') sendPieces(bytes, [...places, bytes.length], 0);
      else
        socket.write(bytes.subarray(0, places[0]), () => {
          if (manner === 'reset') socket.resetAndDestroy();
          else socket.destroy();
        });
    };
    const sendPieces = (bytes: Buffer, [place, ...rest]: readonly number[], from: number): void => {
      if (place === undefined || socket.destroyed) return;
      socket.write(bytes.subarray(from, place), () => {
        if (manner === 'slow') after(3, () => sendPieces(bytes, rest, place));
        else sendPieces(bytes, rest, place);
      });
    };
  });
}

/** Also one that has only begun. */
const allOf = ({ heard, begun }: Answers): readonly HeardAnswer[] =>
  begun === undefined ? heard : [...heard, begun];

function judged(
  answers: Answers,
  requests: readonly Written[],
  {
    isAnswered,
    isLate,
    prompt,
  }: { readonly isAnswered: boolean; readonly isLate: boolean; readonly prompt: number },
): string | undefined {
  if (answers.fault !== undefined) return answers.fault;
  const { heard } = answers;
  // Where one can't be told from the next, answers are those of nobody.
  const isKnown = requests.every(({ isFramed }) => isFramed);
  for (const [index, answer] of allOf(answers).entries()) {
    const request = requests[index] ?? requests.at(-1);
    if (request === undefined) continue;
    const fault = faultOf(answer, isKnown ? request : { ...request, isFramed: false });
    if (fault !== undefined) return `${fault}\n${told(answer)}`;
  }
  if (!isAnswered || heard.length >= prompt) return undefined;
  if (isLate) return `answer ${String(heard.length + 1)} did not come`;
  if (heard.at(-1)?.headers.get('connection') === 'close') return undefined;
  return `the connection was closed after ${String(heard.length)} of ${String(requests.length)} answers`;
}

const told = ({ status, headers, text }: HeardAnswer): string =>
  `${String(status)} ${JSON.stringify(Object.fromEntries(headers))}\n${text.slice(0, 600)}`;
