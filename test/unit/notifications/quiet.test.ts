/** Clocks on walls, in every zone, on the nights when they change. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isZone, localTime, nextAllowed } from '../../../src/features/notifications/quiet.ts';

const at = (text: string, zone: string) => localTime(text, zone)?.toISOString();
const allowed = (moment: string, from: string, to: string, zone: string) =>
  nextAllowed(new Date(moment), { from, to, zone }).toISOString();

describe('a local time', () => {
  it.each([
    ['2026-12-01T09:00', 'Europe/Berlin', '2026-12-01T08:00:00.000Z'],
    ['2026-07-01T09:00', 'Europe/Berlin', '2026-07-01T07:00:00.000Z'],
    ['2026-12-01T09:00:30', 'America/New_York', '2026-12-01T14:00:30.000Z'],
    ['2026-12-01T09:00', 'Asia/Kathmandu', '2026-12-01T03:15:00.000Z'],
    ['2026-12-01T09:00', 'Pacific/Kiritimati', '2026-11-30T19:00:00.000Z'],
    ['2026-12-01T09:00', 'UTC', '2026-12-01T09:00:00.000Z'],
  ])('%s in %s is %s', (text, zone, moment) => expect(at(text, zone)).toBe(moment));

  it('that is skipped in spring is the moment the clock jumps', () => {
    expect(at('2026-03-29T02:30', 'Europe/Berlin')).toBe('2026-03-29T01:00:00.000Z');
    expect(at('2026-03-08T02:15', 'America/New_York')).toBe('2026-03-08T07:00:00.000Z');
    expect(at('2026-10-04T02:10', 'Australia/Lord_Howe')).toBe('2026-10-03T15:30:00.000Z');
  });
  it('that comes twice in autumn is the first of the two', () => {
    expect(at('2026-10-25T02:30', 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z');
    expect(at('2026-11-01T01:30', 'America/New_York')).toBe('2026-11-01T05:30:00.000Z');
  });
  it('on a day that a zone left out is the moment the calendar jumps', () => {
    expect(at('2011-12-30T12:00', 'Pacific/Apia')).toBe('2011-12-30T10:00:00.000Z');
  });
  it('that is in no calendar is none', () => {
    expect([localTime('2026-02-31T09:00', 'UTC'), localTime('2026-13-01T00:00', 'UTC')]).toEqual([
      undefined,
      undefined,
    ]);
  });
  it.each(['Europe/Nowhere', '+02:00', '', 'GMT+25', '../UTC'])('needs a zone: %j is none', (zone) =>
    expect(isZone(zone)).toBe(false));
});

describe('quiet hours', () => {
  it.each([
    ['over midnight, before it', '2026-12-01T22:00:00Z', '21:00', '08:00', 'UTC', '2026-12-02T08:00:00.000Z'],
    ['over midnight, after it', '2026-12-02T03:00:00Z', '21:00', '08:00', 'UTC', '2026-12-02T08:00:00.000Z'],
    ['of an afternoon', '2026-12-02T13:30:00Z', '13:00', '15:00', 'UTC', '2026-12-02T15:00:00.000Z'],
    ['begin with their first minute', '2026-12-01T21:00:00Z', '21:00', '08:00', 'UTC', '2026-12-02T08:00:00.000Z'],
    ['end with their last', '2026-12-02T08:00:00Z', '21:00', '08:00', 'UTC', '2026-12-02T08:00:00.000Z'],
    ['are nobody else’s', '2026-12-02T12:00:00Z', '21:00', '08:00', 'UTC', '2026-12-02T12:00:00.000Z'],
    ['are read in their zone', '2026-12-01T21:00:00Z', '21:00', '08:00', 'Asia/Tokyo', '2026-12-01T23:00:00.000Z'],
    ['that begin when they end are none', '2026-12-01T21:00:00Z', '08:00', '08:00', 'UTC', '2026-12-01T21:00:00.000Z'],
    [
      'end an hour earlier on the night that is short',
      '2026-03-28T22:00:00Z',
      '21:00',
      '08:00',
      'Europe/Berlin',
      '2026-03-29T06:00:00.000Z',
    ],
    [
      'that end in the hour that is skipped end with the jump',
      '2026-03-29T00:30:00Z',
      '21:00',
      '02:30',
      'Europe/Berlin',
      '2026-03-29T01:00:00.000Z',
    ],
    [
      'that end in the hour that comes twice end with its first',
      '2026-10-24T23:00:00Z',
      '21:00',
      '02:30',
      'Europe/Berlin',
      '2026-10-25T00:30:00.000Z',
    ],
    [
      'and once they are over they are over',
      '2026-10-25T01:10:00Z',
      '21:00',
      '02:30',
      'Europe/Berlin',
      '2026-10-25T01:10:00.000Z',
    ],
  ])('%s', (_, moment, from, to, zone, end) => expect(allowed(moment, from, to, zone)).toBe(end));

  it('never send back in time, and never keep anybody longer than two days', () => {
    const time = fc
      .integer({ min: 0, max: 1_439 })
      .map((minute) => new Date(minute * 60_000).toISOString().slice(11, 16));
    const zone = fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Chatham', 'UTC');
    const moment = fc.date({ min: new Date('2026-01-01'), max: new Date('2028-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(moment, time, time, zone, (now, from, to, where) => {
        const end = nextAllowed(now, { from, to, zone: where });
        expect(end.getTime()).toBeGreaterThanOrEqual(now.getTime());
        expect(end.getTime() - now.getTime()).toBeLessThan(2 * 86_400_000);
      }),
      { numRuns: 1_000 },
    );
  });
});
