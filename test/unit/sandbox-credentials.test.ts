import { expect, it } from 'vitest';
import { channels } from '../../channels/index.ts';
import { fieldsSchema } from '../../src/channel-kit/index.ts';
import { sandboxValues } from '../../src/features/connections/settings.ts';
import { validator } from '../../src/lib/schema.ts';

const adapters = channels.flatMap((channel) => channel.adapters);

it.each(
  adapters.map((adapter) => [adapter.id, adapter] as const),
)('%s gets sandbox settings that its own form would take, and secrets that nobody can guess', (_, adapter) => {
  const values = sandboxValues(adapter);
  const open = adapter.credentials.filter(({ secret }) => !secret);
  const settings = Object.fromEntries(
    Object.entries(values).filter(([name]) => open.some((field) => field.name === name)),
  );
  expect(validator(fieldsSchema(open)).faults(settings)).toEqual([]);
  const again = sandboxValues(adapter);
  for (const { name, secret } of adapter.credentials) {
    if (!secret) continue;
    expect(values[name]).toMatch(/^[0-9a-f]{32}$/);
    expect(values[name]).not.toBe(again[name]);
  }
});
