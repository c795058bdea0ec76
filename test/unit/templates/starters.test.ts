/** The templates that ship: each can be saved, drawn on each channel, and sent with its own examples. */
import { expect, test } from 'vitest';
import { channels } from '../../../channels/index.ts';
import { createRegistry } from '../../../src/channel-kit/index.ts';
import { preview } from '../../../src/features/templates/preview.ts';
import { createRendering } from '../../../src/features/templates/rendering.ts';
import { readStarters } from '../../../src/features/templates/starters.ts';

const registry = createRegistry(channels);
const rendering = createRendering(registry);
const starters = readStarters(registry);
const drawn = starters.map(({ slug, authored }) => [slug, preview(registry, rendering, authored, {})] as const);

test('seven starters, for every channel at least one', () => {
  expect(starters.map(({ slug }) => slug)).toEqual([
    'appointment_reminder',
    'order_confirmation',
    'otp_code',
    'password_reset',
    'slack_ops_alert',
    'wa_order_update',
    'welcome',
  ]);
  const used = new Set(starters.flatMap(({ authored }) => Object.keys(authored.content)));
  for (const { id } of channels) expect(used).toContain(id);
});

test.each(drawn)('%s is complete with its examples', (_, { missing, unexpected, faults, channels: parts }) => {
  expect({ missing, unexpected, faults }).toEqual({ missing: [], unexpected: [], faults: [] });
  for (const part of parts) {
    expect(part.faults).toEqual([]);
    expect(JSON.stringify(part.preview)).not.toMatch(/\{\{|undefined|\[object/);
  }
});

test.each([
  ['wa_order_update', ['name', 'order_id']],
  ['slack_ops_alert', ['severity', 'service']],
  ['otp_code', ['code']],
  ['order_confirmation', ['name', 'order_id']],
  ['welcome', ['start_url']],
  ['password_reset', ['reset_url']],
  ['appointment_reminder', ['name', 'date', 'time']],
])('%s needs %j', (slug, names) => {
  const { authored } = starters.find((starter) => starter.slug === slug) as (typeof starters)[number];
  expect(authored.variables.filter(({ required }) => required).map(({ name }) => name)).toEqual(names);
});

test.each(starters)('$slug also reads well with nothing but what it needs', ({ authored }) => {
  const data = Object.fromEntries(
    authored.variables.filter(({ required }) => required).map(({ name }) => [name, name]),
  );
  const { missing, channels: parts } = preview(registry, rendering, authored, { data });
  expect(missing).toEqual([]);
  for (const { faults, preview: shown } of parts) {
    expect(faults).toEqual([]);
    // No gap where something was left out.
    expect((shown as { text?: string }).text).not.toMatch(/ {2}| [.,!]|\n{3}/);
  }
});

test('a registry without a channel still has the rest', () => {
  const few = readStarters(createRegistry(channels.filter(({ id }) => id === 'sms')));
  expect(few.map(({ slug, authored }) => [slug, Object.keys(authored.content)])).toEqual([
    ['appointment_reminder', ['sms']],
    ['otp_code', ['sms']],
    ['welcome', ['sms']],
  ]);
});
