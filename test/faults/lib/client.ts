/**
 * A client as we tell people to write one: it sends each notification under a key of its own, and again under the same key
 * until it has a definite answer. What it was told, and how long it took, is what a row is judged by.
 */
import { Agent, request } from 'undici';
import type { Customer, Rig } from './rig.ts';

export interface Load {
  readonly count: number;
  /** Requests under way. Default 16. */
  readonly abreast?: number;
  /** Sends a second at most; default as fast as it goes. */
  readonly perSecond?: number;
  /** Text of each. Default `n <index>`. */
  readonly text?: (index: number) => string;
  readonly onUnknown?: 'resend';
  /** Prefix of the doors, so that two loads of one customer are told apart. */
  readonly door?: string;
  /** Ends it before its count. */
  readonly signal?: AbortSignal;
}

export interface Told {
  /** By index: the message it became, as the 202 said. */
  readonly acked: Map<number, { readonly messageId: string; readonly at: number; readonly replayed: boolean }>;
  /** Definite answers that were no 202. */
  readonly refused: Map<number, number>;
  /** Answers by status, 0 for none; with the bodies' codes for what was not 202. */
  readonly answers: Map<number, number>;
  readonly codes: Set<string>;
  /** Milliseconds of every request that was answered, and of the slowest of all. */
  readonly latencies: number[];
  readonly slowestMs: () => number;
  /** Two answers to one key that named different messages. */
  readonly contradictions: string[];
}

const PATIENCE_MS = 90_000;
const DEFINITE = (status: number): boolean =>
  status === 202 || (status >= 400 && status < 500 && status !== 409 && status !== 429);

/** Sends all of it; resolves when every one has a definite answer. */
export async function send(rig: Rig, { key }: Customer, load: Load): Promise<Told> {
  const { count, abreast = 16, perSecond, text = (i: number) => `n ${i}`, onUnknown, door = 'd', signal } = load;
  const agent = new Agent({
    connections: abreast,
    headersTimeout: 20_000,
    bodyTimeout: 20_000,
    connect: { timeout: 3_000 },
  });
  let slowest = 0;
  const told: Told = {
    acked: new Map(),
    refused: new Map(),
    answers: new Map(),
    codes: new Set(),
    latencies: [],
    slowestMs: () => slowest,
    contradictions: [],
  };
  const run = `${door}-${Date.now().toString(36)}`;
  const began = performance.now();
  let next = 0;

  async function one(index: number): Promise<void> {
    const body = JSON.stringify({
      recipient: { door: `${door}-${index}` },
      notification: { channels: ['courier'], body: text(index), ...(onUnknown ? { on_unknown: onUnknown } : {}) },
    });
    const asked = performance.now();
    for (let tries = 0; ; tries++) {
      const at = performance.now();
      if (at - asked > PATIENCE_MS) throw new Error(`no definite answer for ${door}-${index} in ${PATIENCE_MS} ms`);
      const api = rig.apis[(index + tries) % 2] as (typeof rig.apis)[0];
      let status = 0;
      try {
        const answer = await request(`${api.url}/api/v1/notifications/send`, {
          method: 'POST',
          dispatcher: agent,
          headers: { 'x-api-key': key, 'content-type': 'application/json', 'idempotency-key': `${run}-${index}` },
          body,
        });
        const said = (await answer.body.json()) as { channels?: { message_id: string }[]; error?: { code: string } };
        status = answer.statusCode;
        told.latencies.push(performance.now() - at);
        if (status === 202) {
          const messageId = said.channels?.[0]?.message_id as string;
          const replayed = answer.headers['idempotent-replayed'] === 'true';
          told.acked.set(index, { messageId, at: performance.now(), replayed });
        } else told.codes.add(`${status} ${said.error?.code ?? 'without a code'}`);
      } catch {
        status = 0;
      }
      slowest = Math.max(slowest, performance.now() - at);
      told.answers.set(status, (told.answers.get(status) ?? 0) + 1);
      if (status !== 202 && DEFINITE(status)) told.refused.set(index, status);
      if (DEFINITE(status)) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, 50 * 2 ** tries) * (0.5 + Math.random())));
    }
  }

  await Promise.all(
    Array.from({ length: Math.min(abreast, count) }, async () => {
      while (next < count && !signal?.aborted) {
        const index = next++;
        const due = perSecond ? began + (index * 1_000) / perSecond : 0;
        const wait = due - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        await one(index);
      }
    }),
  );
  await agent.close();
  return told;
}

/** The value below which so much of the rest lies; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
