/** A campaign before it is sent: say what the columns are, look at what would come of it, confirm. */
import type { Preview, Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { type Faults, faultsOf, noFaults, sentence } from './forms.ts';
import { letter } from './letter.ts';
import type { CampaignsDoor, Draft, SampleMessage, TemplatesDoor } from './ports.ts';
import type { Site, Visit } from './site.ts';
import { exact, span } from './words.ts';

export interface DraftPagesDeps {
  readonly site: Site;
  readonly campaigns: CampaignsDoor;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
}

export const fault = (fields: Readonly<Record<string, string>>): Faults => ({ fields });
const originOf = ({ request: { principal, ip, requestId, at } }: Visit) => ({ principal, ip, requestId, at });
export const pathOf = (id: string, page = ''): string => `/portal/campaigns/drafts/${id}${page}`;

export function draftPages({ site, campaigns, templates, registry }: DraftPagesDeps): readonly Route[] {
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;

  async function mapPage(visit: Visit, draft: Draft, faults: Faults = noFaults): Promise<Reply> {
    const { columns } = await campaigns.table(visit.principal, draft.draft_id);
    const said = (place: number) =>
      faults === noFaults ? (draft.columns[place] ?? '') : (visit.fields[`column_${place}`] ?? '');
    const option = (value: string) => (meaning: Draft['meanings'][number]) => ({
      ...meaning,
      chosen: meaning.value === value,
    });
    const of = (kind: Draft['meanings'][number]['kind'], place: number) =>
      draft.meanings.filter((meaning) => meaning.kind === kind).map(option(said(place)));
    return visit.render(
      'campaign-map',
      { title: 'What the columns are', section: 'campaigns', faults },
      {
        draft,
        columns: columns.map(({ name, values }, place) => ({
          input: `column_${place}`,
          name: name === '' ? `Column ${place + 1}` : name,
          values,
          read: said(place) !== '',
          fields: of('field', place),
          variables: of('data', place),
          rows: of('row', place),
        })),
        languages:
          draft.languages.length > 1
            ? draft.languages.map((language) => ({ language, chosen: language === draft.language }))
            : undefined,
      },
    );
  }

  async function lookPage(visit: Visit, draft: Draft, given: Faults = noFaults): Promise<Reply> {
    let faults = given;
    const look = await campaigns.look(originOf(visit), draft.draft_id).catch((error: unknown) => {
      if (faults === noFaults) faults = faultsOf(error, timed);
      return undefined;
    });
    const drawn = await Promise.all(
      (look?.samples ?? []).map(async (sample) => ({
        row: sample.row + 2,
        to: [...new Set(sample.messages.map(({ address }) => address))].join(', '),
        messages: await Promise.all(
          sample.messages.map(async (message) => ({
            channel: message.channel,
            label: labelOf(message.channel),
            address: message.address,
            id: `${sample.row}-${message.channel}`,
            preview: await drawnOf(visit, draft, message),
            frame: pathOf(draft.draft_id, `/letter?row=${sample.row}&channel=${encodeURIComponent(message.channel)}`),
          })),
        ),
      })),
    );
    const messages = (look?.accepted ?? 0) * draft.channels.length;
    const typed = faults === noFaults ? timingFields(draft) : visit.fields;
    return visit.render(
      'campaign-preview',
      { title: 'Look before you send', section: 'campaigns', faults },
      {
        draft,
        labels: draft.channels.map(labelOf),
        look,
        messages,
        partly: look && look.judged < look.rows,
        bad: look?.faults.map(({ row, error }) => ({
          // As a spreadsheet counts, with the header as its first line.
          line: row + 2,
          field: error.param ?? '',
          // The field has a column of its own.
          message: sentence(error.message.replace(`${error.param}: `, '')),
        })),
        more: look ? look.rejected - look.faults.length : 0,
        drawn,
        earliest: look?.earliest && exact(look.earliest.toISOString()),
        latest:
          look?.latest && look.latest.getTime() !== look.earliest?.getTime()
            ? exact(look.latest.toISOString())
            : undefined,
        least: look?.leastSeconds === undefined ? undefined : span(Math.max(1, look.leastSeconds)),
        typed: { when: 'now', ...typed },
        has_zone: draft.columns.includes('field:time_zone'),
        time_open: faults !== noFaults || Object.keys(draft.timing).length > 0,
      },
    );
  }

  /** The message as the person would see it; nothing when it cannot be finished. */
  async function drawnOf(visit: Visit, draft: Draft, { channel, language, version, data }: SampleMessage) {
    const drawn = await templates.preview(visit.principal, draft.template_id, {
      channel,
      ...(language ? { language } : {}),
      ...(version ? { version } : {}),
      data,
    });
    return drawn.channels[0]?.preview ?? undefined;
  }

  /** The draft, if it still is one; else where it went. */
  async function open(visit: Visit): Promise<{ draft: Draft; gone?: Reply }> {
    const draft = await campaigns.get(visit.principal, visit.params.draft_id ?? '');
    return draft.bulk_id ? { draft, gone: visit.go(`/portal/campaigns/${draft.bulk_id}`) } : { draft };
  }

  return [
    site.get('/portal/campaigns/drafts/:draft_id', 'What the columns of the file are.', async (visit) => {
      const { draft, gone } = await open(visit);
      return gone ?? mapPage(visit, draft);
    }),
    site.post(
      '/portal/campaigns/drafts/:draft_id',
      'Saves what the columns are.',
      async (visit) => {
        const { draft, gone } = await open(visit);
        if (gone) return gone;
        const columns = draft.columns.map((_, place) => visit.fields[`column_${place}`] ?? '');
        try {
          await campaigns.assign(visit.principal, draft.draft_id, columns, visit.fields.language);
        } catch (error) {
          return mapPage(
            visit,
            draft,
            faultsOf(error, (path) => (path.startsWith('column_') ? path : undefined)),
          );
        }
        const { missing } = await campaigns.get(visit.principal, draft.draft_id);
        return visit.go(missing.length > 0 ? pathOf(draft.draft_id) : pathOf(draft.draft_id, '/preview'));
      },
      { audit: 'campaign.mapped' },
    ),
    site.get('/portal/campaigns/drafts/:draft_id/preview', 'What would come of it.', async (visit) => {
      const { draft, gone } = await open(visit);
      if (gone) return gone;
      return draft.mapped && draft.missing.length === 0 ? lookPage(visit, draft) : visit.go(pathOf(draft.draft_id));
    }),
    site.get(
      '/portal/campaigns/drafts/:draft_id/letter',
      'The HTML that one row would get, alone in its frame.',
      async (visit) => {
        const { draft } = await open(visit);
        const row = /^\d{1,7}$/.test(visit.query.row ?? '') ? Number(visit.query.row) : -1;
        if (row < 0) throw new ApiError('not_found');
        const { messages } = await campaigns.sample(originOf(visit), draft.draft_id, row);
        const message = messages.find(({ channel }) => channel === visit.query.channel);
        return letter(message && ((await drawnOf(visit, draft, message)) as Preview | undefined));
      },
      { query: ['row', 'channel'] },
    ),
    site.post(
      '/portal/campaigns/drafts/:draft_id/schedule',
      'When it is to be sent.',
      async (visit) => {
        const { draft, gone } = await open(visit);
        if (gone) return gone;
        const { when, date = '', time = '', zone = '', quiet_from = '', quiet_to = '' } = visit.fields;
        const found = {
          ...(when === 'at' && !/^\d{4}-\d{2}-\d{2}$/.test(date) ? { date: 'Choose a day.' } : {}),
          ...(when === 'at' && !/^\d{2}:\d{2}$/.test(time) ? { time: 'Choose a time of day.' } : {}),
          ...((quiet_from === '') !== (quiet_to === '')
            ? { [quiet_from === '' ? 'quiet_from' : 'quiet_to']: 'Quiet hours need a beginning and an end.' }
            : {}),
        };
        if (Object.keys(found).length > 0) return lookPage(visit, draft, fault(found));
        const timing = {
          ...(when === 'at' ? { at: `${date}T${time}`, time_zone: zone.trim() || 'recipient' } : {}),
          ...(quiet_from ? { quiet_from, quiet_to } : {}),
        };
        try {
          await campaigns.schedule(originOf(visit), draft.draft_id, timing);
        } catch (error) {
          return lookPage(visit, draft, faultsOf(error, timed));
        }
        return visit.go(pathOf(draft.draft_id, '/preview'), 'draft_timed');
      },
      { audit: 'campaign.scheduled' },
    ),
    site.post(
      '/portal/campaigns/drafts/:draft_id/send',
      'Sends it, once.',
      async (visit) => {
        const { draft, gone } = await open(visit);
        if (gone) return gone;
        if (!draft.mapped || draft.missing.length > 0) return visit.go(pathOf(draft.draft_id));
        try {
          return visit.go(
            `/portal/campaigns/${await campaigns.send(originOf(visit), draft.draft_id)}`,
            'campaign_sent',
          );
        } catch (error) {
          if (error instanceof ApiError && error.code === 'idempotency_in_progress')
            return visit.go(pathOf(draft.draft_id, '/preview'), 'campaign_sending');
          return lookPage(visit, draft, faultsOf(error, timed));
        }
      },
      { audit: 'campaign.sent' },
    ),
    site.post(
      '/portal/campaigns/drafts/:draft_id/discard',
      'Deletes the draft and its file.',
      async (visit) => {
        await campaigns.discard(visit.principal, visit.params.draft_id ?? '');
        return visit.go('/portal/campaigns', 'draft_discarded');
      },
      { audit: 'campaign.discarded' },
    ),
  ];
}

/** The input that a fault of the schedule is about. */
const timed = (path: string): string | undefined =>
  path.endsWith('schedule.at')
    ? 'date'
    : path.endsWith('schedule.time_zone')
      ? 'zone'
      : /quiet_hours(\.from)?$/.test(path)
        ? 'quiet_from'
        : path.endsWith('quiet_hours.to')
          ? 'quiet_to'
          : undefined;

/** A saved time as its form would hold it. */
function timingFields({ timing }: Draft): Readonly<Record<string, string>> {
  const [date = '', time = ''] = (timing.at ?? '').split('T');
  return {
    when: timing.at ? 'at' : 'now',
    date,
    time,
    zone: timing.time_zone === 'recipient' ? '' : (timing.time_zone ?? ''),
    quiet_from: timing.quiet_from ?? '',
    quiet_to: timing.quiet_to ?? '',
  };
}
