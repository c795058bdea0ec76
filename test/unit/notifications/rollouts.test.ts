import { describe, expect, test } from 'vitest';
import { channels } from '../../../channels/index.ts';
import { createRegistry } from '../../../src/channel-kit/index.ts';
import { personOf } from '../../../src/features/notifications/person.ts';
import { countsOf } from '../../../src/features/notifications/rollouts.ts';
import type { Outcomes } from '../../../src/features/notifications/rollouts-store.ts';

const versions = { from: 'old', to: 'new' };
const counted = (more: Partial<Outcomes>) =>
  countsOf(
    {
      mode: 'live',
      versionId: 'new',
      type: 'message.failed',
      failureCode: 'content_invalid',
      wasSent: false,
      count: 3,
      ...more,
    },
    { versions },
  );

describe('what counts against a version', () => {
  test.each([
    'content_invalid',
    'template_rejected',
    'outside_window',
    'provider_rejected',
    'provider_unavailable',
  ])('%s does', (failureCode) =>
    expect(counted({ failureCode })).toEqual({ mode: 'live', side: 'to', sent: 3, failed: 3 }));

  test.each([
    'recipient_invalid',
    'recipient_opted_out',
    'bounced',
    'cancelled',
    'expired',
    'credentials_invalid',
    null,
  ])('%s does not, and is no message to divide by', (failureCode) =>
    expect(counted({ failureCode })).toEqual({ mode: 'live', side: 'to', sent: 0, failed: 0 }));

  test('a message that was taken first and failed later is one message', () => {
    expect(counted({ type: 'message.sent' })).toMatchObject({ sent: 3, failed: 0 });
    expect(counted({ wasSent: true })).toMatchObject({ sent: 0, failed: 3 });
  });

  test('each version has its own figures', () => {
    expect(counted({ versionId: 'old', mode: 'sandbox' })).toMatchObject({ side: 'from', mode: 'sandbox' });
  });
});

describe('a person is known to a rollout', () => {
  const registry = createRegistry(channels);
  const [email, phone] = ['ada@example.com', '+14155550123'];
  const person = (wanted: readonly string[], recipient: Record<string, string>, country?: string) =>
    personOf(registry, { recipient, notification: { channels: [...wanted] } }, country);

  test('by the first address in the order of the channels, so that all of a notification say the same', () => {
    expect(person(['sms', 'email'], { email, phone })).toBe(phone);
    expect(person(['email', 'sms'], { email, phone })).toBe(email);
  });

  test('by the same address however it was written', () => {
    expect(person(['sms'], { phone: '(415) 555-0123' }, 'US')).toBe(phone);
    expect(person(['whatsapp'], { phone })).toBe(phone);
  });

  test('by the next one when the first cannot be used', () => {
    expect(person(['sms', 'email'], { email })).toBe(email);
    expect(person(['sms', 'email'], { email, phone: 'none' })).toBe(email);
    expect(person(['pigeon', 'sms'], { phone: 'none' })).toBeUndefined();
  });
});
