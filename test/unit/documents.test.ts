/** What providers publish to be checked by: fetched once, kept, and never without end. */
import { expect, it } from 'vitest';
import { createDocuments } from '../../src/features/inbound/documents.ts';
import { faultOf } from '../support/adapters.ts';
import { response } from '../support/http.ts';

function start() {
  const clock = { now: 0, status: 200, asked: [] as string[] };
  const documents = createDocuments(() => clock.now);
  const http = async ({ url }: { url: string }) => {
    clock.asked.push(url);
    return response(clock.status, `text of ${url}`);
  };
  return { clock, of: (connection: string) => documents.of(connection, http) };
}

it('a document is fetched once for all who ask within an hour', async () => {
  const { clock, of } = start();
  const both = await Promise.all([of('one').document('a'), of('one').document('a')]);
  expect([both, clock.asked]).toEqual([['text of a', 'text of a'], ['a']]);
  clock.now = 3_600_000;
  await of('one').document('a');
  expect(clock.asked).toEqual(['a', 'a']);
});

it('one that could not be had is asked for again after ten seconds, not before', async () => {
  const { clock, of } = start();
  clock.status = 500;
  for (let i = 0; i < 3; i += 1) expect((await faultOf(of('one').document('a'))).kind).toBe('provider_unavailable');
  expect(clock.asked).toHaveLength(1);
  Object.assign(clock, { now: 10_000, status: 200 });
  expect(await of('one').document('a')).toBe('text of a');
});

it('who names ever new addresses is served no more than four, and keeps nobody else from theirs', async () => {
  const { clock, of } = start();
  for (const url of ['a', 'b', 'c', 'd']) await of('one').document(url);
  expect((await faultOf((async () => of('one').document('e'))())).kind).toBe('rate_limited');
  expect(await of('one').document('a')).toBe('text of a');
  expect(await of('two').document('e')).toBe('text of e');
  expect(clock.asked).toEqual(['a', 'b', 'c', 'd', 'e']);
});
