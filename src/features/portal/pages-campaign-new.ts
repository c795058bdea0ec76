/** A new campaign: what to send, on which channels, and the file that says to whom. */
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { type Faults, faultsOf, lastPart, noFaults } from './forms.ts';
import { type DraftPagesDeps, fault, pathOf } from './pages-campaign-draft.ts';
import type { Visit } from './site.ts';

const MB = 1_048_576;
const FILE_MB = 20;
const UPLOAD = {
  bytes: FILE_MB * MB + 65_536,
  beyond: `The file is larger than the ${FILE_MB} MB that this page takes. Nothing of it was kept. Send it from the command line with "carillon bulk send people.csv --template …", or upload it to POST /api/v1/notifications/bulk: both take a million rows.`,
};
const PRIORITIES = ['low', 'normal', 'high'] as const;
const TEMPLATES_MAX = 100;
const NAME_MAX = 200;

export function newCampaignPages({ site, campaigns, templates, registry }: DraftPagesDeps): readonly Route[] {
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;

  async function newPage(visit: Visit, faults: Faults = noFaults): Promise<Reply> {
    const { data } = await templates.list(visit.principal, { limit: TEMPLATES_MAX });
    const active = data.filter(({ version }) => version !== null);
    const wanted = visit.fields.template_id ?? visit.query.template_id;
    const template =
      active.find(({ template_id }) => template_id === wanted) ?? (active.length === 1 ? active[0] : undefined);
    const connected = template ? await campaigns.connected(visit.principal) : [];
    const chosen = visit.values('channels');
    const channels = Object.keys(template?.channels ?? {}).map((id) => ({
      id,
      label: labelOf(id),
      connected: connected.includes(id),
      chosen: faults === noFaults ? connected.includes(id) : chosen.includes(id),
      needs: (registry.channel(id)?.recipient ?? [])
        .filter(({ required }) => required)
        .map(({ label }) => label.toLowerCase()),
    }));
    return visit.render(
      'campaign-new',
      { title: 'New campaign', section: 'campaigns', faults },
      {
        templates: active.map(({ template_id, name, channels: known }) => ({
          template_id,
          name,
          labels: Object.keys(known).map(labelOf),
        })),
        template,
        several: active.length > 1,
        channels,
        sendable: channels.some((channel) => channel.connected),
        typed: { name: template?.name, priority: 'low', ...visit.fields },
        priorities: PRIORITIES.map((priority) => ({ priority, chosen: priority === (visit.fields.priority ?? 'low') })),
        limit_mb: FILE_MB,
      },
    );
  }

  return [
    site.get('/portal/campaigns/new', 'Choose what to send, and upload to whom.', (visit) => newPage(visit), {
      query: ['template_id'],
    }),
    site.post(
      '/portal/campaigns/new',
      'Keeps the file as a draft.',
      async (visit) => {
        const { file } = visit.request.files ?? {};
        const pasted = visit.fields.rows?.trim() ?? '';
        const channels = visit.values('channels');
        const found = {
          ...(channels.length === 0 ? { channels: 'Tick at least one channel.' } : {}),
          ...((visit.fields.name ?? '').trim() === '' ? { name: 'Give it a name; only you see it.' } : {}),
          ...(file && pasted !== ''
            ? { rows: 'There is a file, too. Use one of the two: the file, or pasted rows.' }
            : {}),
          ...(!file && pasted === '' ? { file: 'Choose a CSV file, or paste rows below.' } : {}),
          ...(file?.bytes.length === 0 ? { file: 'This file is empty. Its first line must name the columns.' } : {}),
        };
        if (Object.keys(found).length > 0) return newPage(visit, fault(found));
        const asked = {
          name: (visit.fields.name ?? '').trim().slice(0, NAME_MAX),
          template_id: visit.fields.template_id ?? '',
          channels,
          priority: PRIORITIES.find((one) => one === visit.fields.priority) ?? 'low',
          ...(file ? { file: file.name } : {}),
        };
        try {
          const id = await campaigns.draft(visit.principal, asked, file?.bytes ?? Buffer.from(pasted));
          return visit.go(pathOf(id));
        } catch (error) {
          if (error instanceof ApiError && (error.code === 'csv_header_invalid' || error.code === 'validation_failed'))
            return newPage(visit, fault({ [file ? 'file' : 'rows']: error.message }));
          return newPage(visit, faultsOf(error, lastPart('template_id', 'channels', 'name')));
        }
      },
      { audit: 'campaign.uploaded', upload: UPLOAD },
    ),
  ];
}
