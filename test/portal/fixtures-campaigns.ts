/** Campaigns for the pages to show: one in each state, and drafts at each step. */
import type { PortalDeps } from '../../src/features/portal/index.ts';
import { toWire } from '../../src/lib/ids.ts';
import type { Fixtures } from './fixtures.ts';

type Reads<T> = T extends (...args: never[]) => Promise<infer R> ? R : never;
export type Bulk = Reads<PortalDeps['bulks']['get']>;
export type Draft = Reads<PortalDeps['campaigns']['get']>;
type Note = <T>(verb: string, args: readonly unknown[], result: T) => T;

const id = (kind: 'bulk' | 'draft', n: number) =>
  toWire(kind, `019cec00-0000-7000-8000-${(n * 16).toString(16).padStart(12, '0')}`);

export function campaignFixtures(
  empty: boolean,
  bad: (text: string) => string,
  ago: (seconds: number) => string,
): { readonly bulks: readonly Bulk[]; readonly drafts: readonly Draft[] } {
  const bulk = (
    n: number,
    name: string,
    status: Bulk['status'],
    counts: Bulk['counts'],
    more: Partial<Bulk> = {},
  ): Bulk => ({
    bulk_id: id('bulk', n),
    name: bad(name),
    status,
    accepted: counts.queued + counts.sent + counts.delivered + counts.failed,
    rejected: 0,
    counts,
    rate_per_second: 0,
    created_at: ago(n * 3_000),
    results_url: '/',
    livemode: false,
    ...more,
  });
  const bulks = [
    bulk(
      1,
      'Spring reading list',
      'running',
      { queued: 48_211, sent: 1_900, delivered: 49_402, failed: 371 },
      { rate_per_second: 212.4, estimated_finish_at: ago(-227), rejected: 116 },
    ),
    bulk(
      2,
      'Late parcels, with a name that somebody made rather long',
      'completed',
      { queued: 0, sent: 0, delivered: 812, failed: 3 },
      { finished_at: ago(5_500), rejected: 2 },
    ),
    bulk(
      3,
      'Opening hours',
      'scheduled',
      { queued: 2_400, sent: 0, delivered: 0, failed: 0 },
      { send_at: ago(-86_400) },
    ),
    bulk(4, 'Price list', 'paused', { queued: 610, sent: 0, delivered: 390, failed: 0 }),
    bulk(
      5,
      'Wrong price list',
      'cancelled',
      { queued: 0, sent: 0, delivered: 12, failed: 988 },
      { finished_at: ago(9_000) },
    ),
    bulk(6, 'From the night shift', 'interrupted', { queued: 0, sent: 0, delivered: 0, failed: 0 }, { accepted: 0 }),
  ];
  const draft = (n: number, columns: readonly string[], more: Partial<Draft> = {}): Draft => {
    const meanings: Draft['meanings'] = [
      { value: 'field:email', kind: 'field', label: 'E-mail address', required: true, also: [] },
      { value: 'field:phone', kind: 'field', label: 'Phone number', required: true, also: [] },
      { value: 'data:name', kind: 'data', label: 'name', required: true, also: [] },
      { value: 'data:order_id', kind: 'data', label: 'order_id', required: true, also: [] },
      { value: 'data:day', kind: 'data', label: 'day', required: false, also: [] },
      { value: 'field:language', kind: 'row', label: 'Language', required: false, also: [] },
      { value: 'field:time_zone', kind: 'row', label: 'Time zone', required: false, also: [] },
    ];
    return {
      draft_id: id('draft', n),
      name: bad('Spring reading list'),
      template_id: 'order_shipped',
      channels: ['email', 'sms'],
      priority: 'low',
      file: bad('people.csv'),
      columns,
      timing: {},
      mapped: true,
      created_at: ago(60),
      meanings,
      missing: meanings.filter(({ value, required }) => required && !columns.includes(value)),
      languages: ['de', 'en'],
      ...more,
    };
  };
  const whole = ['field:email', 'field:phone', 'data:name', 'data:order_id', ''];
  return {
    bulks: empty ? [] : bulks,
    drafts: empty
      ? []
      : [
          draft(1, ['field:email', '', 'data:name', '', ''], { mapped: false }),
          draft(2, whole),
          draft(3, whole, {
            name: 'Nobody',
            timing: { at: '2026-04-01T09:00', time_zone: 'Europe/Berlin', quiet_from: '21:00', quiet_to: '08:00' },
          }),
          draft(4, whole, { bulk_id: id('bulk', 1) }),
        ],
  };
}

export function campaignDoors(f: Fixtures, note: Note): Pick<PortalDeps, 'bulks' | 'campaigns'> {
  const bulk = (wanted: string) => f.found(f.campaigns.bulks.find(({ bulk_id }) => bulk_id === wanted));
  const draft = (wanted: string) => f.found(f.campaigns.drafts.find(({ draft_id }) => draft_id === wanted));
  const sample = (row: number, name: string) => ({
    row,
    messages: [
      {
        channel: 'email',
        address: `${name.toLowerCase()}@example.com`,
        language: 'en',
        version: 2,
        data: { name: f.bad(name), order_id: 'ORD-1001' },
      },
      {
        channel: 'sms',
        address: '+14155550101',
        language: 'en',
        version: 2,
        data: { name: f.bad(name), order_id: 'ORD-1001' },
      },
    ],
  });
  return {
    bulks: {
      list: async () => f.list(f.campaigns.bulks),
      get: async (_, wanted) => bulk(wanted),
      results: async function* () {
        yield 'index\r\n';
      } as never,
      pause: async (_, wanted) => note('bulks.pause', [wanted], bulk(wanted)),
      resume: async (_, wanted) => note('bulks.resume', [wanted], bulk(wanted)),
      cancel: async (_, wanted) => note('bulks.cancel', [wanted], bulk(wanted)),
    },
    campaigns: {
      connected: async ({ mode }) => (mode === 'live' ? ['email'] : ['email', 'sms', 'whatsapp', 'slack', 'voice']),
      draft: async (_, asked, csv) =>
        note('campaigns.draft', [asked, csv.toString()], f.found(f.campaigns.drafts[0]).draft_id),
      get: async (_, wanted) => draft(wanted),
      table: async () => ({
        columns: [
          { name: f.bad('E-Mail'), values: ['ada@example.com', `${'a.very.long.name'.repeat(4)}@example.com`, ''] },
          { name: 'Cell', values: ['+14155550101', '+14155550102', '+14155550103'] },
          { name: 'name', values: [f.bad('Ada'), 'Grace', 'Joan'] },
          { name: '', values: ['ORD-1001', 'ORD-1002', '=1+1'] },
          { name: 'Shoe size', values: ['38', '39', '40'] },
        ],
      }),
      assign: async (_, wanted, columns, language) => note('campaigns.assign', [wanted, columns, language], undefined),
      schedule: async (_, wanted, timing) => note('campaigns.schedule', [wanted, timing], undefined),
      look: async (_, wanted) =>
        draft(wanted).name === 'Nobody'
          ? {
              rows: 2,
              judged: 2,
              accepted: 0,
              rejected: 2,
              faults: [{ row: 0, error: { code: 'validation_failed', message: 'phone: is required', param: 'phone' } }],
              samples: [],
            }
          : {
              rows: 131_204,
              judged: 100_000,
              accepted: 99_871,
              rejected: 129,
              faults: [
                {
                  row: 1,
                  error: {
                    code: 'validation_failed',
                    message: f.bad('phone: must be a telephone number such as +14155550123'),
                    param: 'phone',
                  },
                },
                {
                  row: 17,
                  error: { code: 'malformed_row', message: 'The row has 4 cells, and the first line names 5 columns.' },
                },
              ],
              samples: [sample(0, 'Ada'), sample(2, 'Grace')],
              leastSeconds: 3_995,
            },
      sample: async (_, __, row) => sample(row, 'Ada'),
      send: async ({ principal: { mode } }, wanted) =>
        note('campaigns.send', [mode, wanted], f.found(f.campaigns.bulks[0]).bulk_id),
      discard: async (_, wanted) => note('campaigns.discard', [wanted], undefined),
    },
  };
}
