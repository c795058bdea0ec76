/** Campaigns: send to many. The list, and one campaign to watch, pause, resume and cancel. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Route } from '../../lib/http.ts';
import { STATUSES } from '../notifications/index.ts';
import type { Bulk, BulksDoor, Status } from './ports.ts';
import { PAGE_HEADERS, type Site } from './site.ts';
import { span } from './words.ts';

export interface CampaignPagesDeps {
  readonly site: Site;
  readonly bulks: BulksDoor;
  readonly registry: Registry;
}

const PAGE = 50;
const BAR = 1_000;

export function campaignPages({ site, bulks }: CampaignPagesDeps): readonly Route[] {
  const verb = (
    name: 'pause' | 'resume' | 'cancel',
    summary: string,
    note: 'campaign_paused' | 'campaign_resumed' | 'campaign_cancelled',
  ): Route =>
    site.post(
      `/portal/campaigns/:bulk_id/${name}`,
      summary,
      async (visit) => {
        const id = visit.params.bulk_id ?? '';
        try {
          const { bulk_id } = await bulks[name](visit.principal, id);
          return visit.go(`/portal/campaigns/${bulk_id}`, note);
        } catch (error) {
          // It went on while the person was looking: the page says how it stands.
          if (error instanceof ApiError && error.code === 'bulk_state')
            return visit.go(`/portal/campaigns/${encodeURIComponent(id)}`, 'campaign_moved_on');
          throw error;
        }
      },
      { audit: `bulk.${name}` },
    );

  return [
    site.get(
      '/portal/campaigns',
      'Everything that was sent to many, newest first.',
      async (visit) => {
        const { cursor } = visit.query;
        const page = await bulks.list(visit.principal, { limit: PAGE, ...(cursor ? { cursor } : {}) });
        const rows = page.data.map(row);
        return visit.render(
          'campaigns',
          { title: 'Campaigns', section: 'campaigns' },
          {
            rows,
            refresh: cursor ? `/portal/campaigns?cursor=${encodeURIComponent(cursor)}` : '/portal/campaigns',
            over: !rows.some(({ moving }) => moving),
            next: page.next_cursor ? `/portal/campaigns?cursor=${encodeURIComponent(page.next_cursor)}` : undefined,
            first: cursor ? '/portal/campaigns' : undefined,
          },
        );
      },
      { query: ['cursor'] },
    ),
    site.get('/portal/campaigns/:bulk_id', 'One campaign: how far it is, and what became of it.', async (visit) => {
      const bulk = await bulks.get(visit.principal, visit.params.bulk_id ?? '');
      const shown = row(bulk);
      const { counts, rate_per_second: rate, estimated_finish_at: finish } = bulk;
      const left = finish ? (Date.parse(finish) - visit.request.at.getTime()) / 1_000 : undefined;
      return visit.render(
        'campaign',
        { title: shown.name, section: 'campaigns' },
        {
          ...shown,
          bulk,
          figures: STATUSES.map((status) => ({
            status,
            count: counts[status],
            href: `/portal/activity?bulk_id=${bulk.bulk_id}&status=${status}`,
          })),
          rate: rate > 0 ? (rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en')) : undefined,
          left: left === undefined ? undefined : span(Math.max(1, left)),
          pausable: shown.moving && (bulk.status === 'running' || bulk.status === 'scheduled'),
          resumable: bulk.status === 'paused',
          cancellable: ['running', 'scheduled', 'paused', 'receiving', 'interrupted'].includes(bulk.status),
          // Receipts may come for days; nobody watches them come.
          over: !shown.moving && counts.sent === 0,
          every: shown.moving ? 2 : 10,
          reload: shown.moving ? 5 : undefined,
          all: `/portal/activity?bulk_id=${bulk.bulk_id}`,
          failed: counts.failed > 0 ? `/portal/activity?bulk_id=${bulk.bulk_id}&status=failed` : undefined,
          results: `/portal/campaigns/${bulk.bulk_id}/results`,
        },
      );
    }),
    site.get('/portal/campaigns/:bulk_id/results', 'What became of each row, as CSV.', async (visit) => {
      const id = visit.params.bulk_id ?? '';
      return {
        status: 200,
        pieces: await bulks.results(visit.principal, id, 'csv'),
        type: 'text/csv; charset=utf-8',
        headers: { ...PAGE_HEADERS, 'Content-Disposition': `attachment; filename="${id}.csv"` },
      };
    }),
    verb('pause', 'Nothing more of it begins.', 'campaign_paused'),
    verb('resume', 'Goes on with what is left.', 'campaign_resumed'),
    verb('cancel', 'What has not begun is never sent.', 'campaign_cancelled'),
  ];
}

/** The shape that goes with each state of a bulk. */
const SHAPES: Readonly<Record<Bulk['status'], Status>> = {
  receiving: 'queued',
  interrupted: 'queued',
  scheduled: 'queued',
  paused: 'queued',
  running: 'sent',
  completed: 'delivered',
  cancelled: 'failed',
};

function row(bulk: Bulk) {
  const { counts } = bulk;
  const total = counts.queued + counts.sent + counts.delivered + counts.failed;
  const done = total - counts.queued;
  let x = 0;
  const parts = (['delivered', 'sent', 'failed'] as const).flatMap((status) => {
    if (counts[status] === 0) return [];
    // A single failure among thousands must still be seen.
    const width = Math.max(4, Math.round((counts[status] / total) * BAR));
    x += width;
    return [{ status, x: x - width, width }];
  });
  return {
    bulk_id: bulk.bulk_id,
    name: bulk.name ?? 'Without a name',
    state: bulk.status,
    shape: SHAPES[bulk.status],
    accepted: bulk.accepted,
    rejected: bulk.rejected,
    total,
    done,
    percent: total > 0 ? Math.floor((done / total) * 100) : undefined,
    parts,
    failed_count: counts.failed,
    created_at: bulk.created_at,
    moving: counts.queued > 0 || bulk.status === 'receiving',
  };
}
