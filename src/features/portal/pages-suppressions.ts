/** Suppressions: who is not written to, since when and why; added by hand, and removed by who answers for it. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { REASONS, type Reason } from '../suppressions/index.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
import { addressOf } from './pages-messages.ts';
import type { Suppression, SuppressionsDoor, TenantsDoor } from './ports.ts';
import { curl, readersKey, sampleRecipient } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { spaced } from './words.ts';

export interface SuppressionPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly suppressions: SuppressionsDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

const PAGE = 50;
const reasons = Object.keys(REASONS) as Reason[];

export function suppressionPages(deps: SuppressionPagesDeps): readonly Route[] {
  const { site, tenants, suppressions, registry, publicUrl } = deps;
  const channels = registry.channels.map(({ id, label }) => ({ id, label }));
  const words = (row: Suppression) => ({
    ...row,
    label: registry.channel(row.channel)?.label ?? row.channel,
    because: spaced(row.reason),
    meaning: REASONS[row.reason],
    everything: row.scope === 'all',
  });

  const list = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const { address, channel, cursor } = visit.query;
    const reason = reasons.find((known) => known === visit.query.reason);
    const [page, key] = await Promise.all([
      suppressions.list(visit.principal, {
        limit: PAGE,
        ...(address ? { address } : {}),
        ...(channel ? { channel } : {}),
        ...(reason ? { reason } : {}),
        ...(cursor ? { cursor } : {}),
      }),
      readersKey(tenants, visit.principal),
    ]);
    const here = (more: Readonly<Record<string, string | undefined>>) =>
      addressOf('/portal/suppressions', { address, channel, reason, ...more });
    const [first] = registry.channels;
    return visit.render(
      'suppressions',
      { title: 'Not written to', section: 'contacts', ...(faults ? { faults } : {}) },
      {
        rows: page.data.map(words),
        filter: { address, channel, reason },
        filtered: Boolean(address || channel || reason),
        channels,
        reasons: reasons.map((one) => ({ reason: one, word: spaced(one) })),
        form: visit.fields,
        opened: faults !== undefined,
        next: page.next_cursor ? here({ cursor: page.next_cursor }) : undefined,
        first: cursor ? here({}) : undefined,
        curl: first
          ? curl({ baseUrl: publicUrl(), key }, 'POST', '/api/v1/suppressions', {
              suppressions: [{ channel: first.id, address: Object.values(sampleRecipient(first))[0] }],
            })
          : '',
      },
    );
  };

  return [
    site.get('/portal/suppressions', 'Who is not written to.', (visit) => list(visit), {
      query: ['address', 'channel', 'reason', 'cursor'],
    }),
    site.post(
      '/portal/suppressions',
      'Adds an address that is not written to.',
      async (visit) => {
        const { channel = '', address = '', scope, note = '' } = visit.fields;
        if (address.trim() === '') return list(visit, { fields: { address: 'Write the address.' } });
        try {
          const made = await suppressions.add(visit.principal, [
            {
              channel,
              address,
              scope: scope === 'marketing' ? 'marketing' : 'all',
              ...(note.trim() === '' ? {} : { note: note.trim().slice(0, 500) }),
            },
          ]);
          // Without the address: the audit log outlives the people in it.
          return {
            ...visit.go('/portal/suppressions', 'suppressed'),
            noted: { suppressions: made.map(({ id }) => id) },
          };
        } catch (error) {
          return list(visit, faultsOf(error, lastPart('channel', 'address', 'note')));
        }
      },
      { audit: 'suppression.created' },
    ),
    site.post(
      '/portal/suppressions/:suppression_id/remove',
      'Lets an address be written to again.',
      async (visit) => {
        const id = visit.params.suppression_id ?? '';
        const { channel, scope, reason } = await suppressions.remove(visit.principal, id);
        return { ...visit.go('/portal/suppressions', 'restored'), noted: { channel, scope, reason } };
      },
      { audit: 'suppression.deleted' },
    ),
  ];
}
