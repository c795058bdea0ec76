/** A provider that is built in was said to be "not tested yet"; the limit of a key was two riddles; its hours left the screen. */
import { expect, it } from 'vitest';
import { healthOf } from '../../src/features/portal/health-words.ts';
import { readProjectFile } from '../support/sources.ts';

const connection = (livemode: boolean, status: string) =>
  ({ livemode, health: { status } }) as unknown as Parameters<typeof healthOf>[0];

it('only a connection of ours can be not tested yet', () => {
  expect(healthOf(connection(true, 'unknown')).word).toBe('not tested yet');
  expect(healthOf(connection(false, 'unknown')).word).toBe('built in');
  expect(healthOf(connection(false, 'failing')).unwell).toBe(true);
});

it('the limit of a key reads as a sentence', () => {
  const page = readProjectFile('templates/portal/pages/key-edit.hbs').replace(/<input.*?>(?=<|$)/g, '[ ]');
  expect(page.replace(/<[^>]*>/g, '')).toMatch(/At most\s*\[ \].*requests in\s*\[ \].*seconds/);
});

it('the hours at both ends of the chart stay within it', () => {
  const css = readProjectFile('templates/portal/assets/portal.css');
  expect(css).toMatch(/\.hours span:first-child \{\s*justify-content: flex-start/);
  expect(css).toMatch(/\.hours span:last-child \{\s*justify-content: flex-end/);
});
