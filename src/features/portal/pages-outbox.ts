/** The outbox of test mode: what people would have received, and buttons that answer in their place. */
import type { Receipt, Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Route } from '../../lib/http.ts';
import { letter } from './letter.ts';
import { addressOf } from './pages-messages.ts';
import type { NotificationsDoor, OutboxDoor, OutboxItem, TenantsDoor } from './ports.ts';
import { firstSend, readersKey } from './samples.ts';
import type { Site } from './site.ts';

export interface OutboxPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly sandbox: OutboxDoor;
  readonly notifications: Pick<NotificationsDoor, 'get'>;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

const PAGE = 50;
/** How a button says it, and what it plays. Only those are shown that the channel can report. */
const ACTS: readonly { readonly what: Receipt; readonly label: string; readonly says: string }[] = [
  { what: 'delivered', label: 'Deliver', says: 'It arrived.' },
  { what: 'read', label: 'Read it', says: 'The person opened it.' },
  { what: 'bounced', label: 'Bounce', says: 'It came back.' },
  { what: 'failed', label: 'Fail', says: 'It was lost on the way.' },
  { what: 'complained', label: 'Complain', says: 'The person reported it as spam.' },
];
const TEXT_MAX = 4_000;
const VIEWS = ['html', 'text', 'headers', 'source'] as const;

export function outboxPages(deps: OutboxPagesDeps): readonly Route[] {
  const { site, tenants, sandbox, notifications, registry, publicUrl } = deps;
  const labelOf = (id: string) => registry.channel(id)?.label ?? id;
  return [
    site.get(
      '/portal/outbox',
      'Everything sent with a test key, newest first.',
      async (visit) => {
        if (visit.principal.mode === 'live') return visit.render('outbox-live', { title: 'Outbox', section: 'outbox' });
        const { channel, recipient, cursor } = visit.query;
        const [page, key] = await Promise.all([
          sandbox.list(visit.principal, {
            limit: PAGE,
            ...(channel ? { channel } : {}),
            ...(recipient ? { recipient } : {}),
            ...(cursor ? { cursor } : {}),
          }),
          readersKey(tenants, visit.principal),
        ]);
        const address = (more: Readonly<Record<string, string | undefined>>) =>
          addressOf('/portal/outbox', { channel, recipient, ...more });
        return visit.render(
          'outbox',
          { title: 'Outbox', section: 'outbox' },
          {
            rows: page.data.map((row) => ({ ...row, label: labelOf(row.channel), headline: headline(row) })),
            filter: visit.query,
            filtered: Boolean(channel || recipient),
            channels: registry.channels.map(({ id, label }) => ({ id, label })),
            next: page.next_cursor ? address({ cursor: page.next_cursor }) : undefined,
            first: cursor ? address({}) : undefined,
            refresh: address({ cursor }),
            curl: firstSend(registry, { baseUrl: publicUrl(), key }),
          },
        );
      },
      { query: ['channel', 'recipient', 'cursor'] },
    ),
    site.get(
      '/portal/outbox/:message_id',
      'One message as the person would have received it.',
      async (visit) => {
        if (visit.principal.mode === 'live') return visit.go('/portal/outbox', 'only_test');
        const item = await sandbox.get(visit.principal, visit.params.message_id ?? '');
        const mail = item.preview?.kind === 'mail' ? item.preview : undefined;
        const views = mail ? VIEWS.filter((view) => view !== 'html' || mail.html !== undefined) : ['html', 'source'];
        const view = views.find((known) => known === visit.query.view) ?? views[0];
        const here = `/portal/outbox/${item.message_id}`;
        const width = visit.query.width === 'narrow' ? 'narrow' : undefined;
        return visit.render(
          'outbox-item',
          { title: headline(item), section: 'outbox' },
          {
            item: { ...item, label: labelOf(item.channel) },
            preview: item.preview,
            frame: `${here}/letter`,
            view,
            width,
            views: views.map((name) => ({
              name: name === 'html' ? (mail ? 'Rendered' : 'As seen') : NAMES[name],
              href: addressOf(here, { view: name, width }),
              current: name === view,
            })),
            narrow_href: addressOf(here, { view, width: 'narrow' }),
            wide_href: addressOf(here, { view }),
            headers: mail ? headersOf(item) : [],
            source: JSON.stringify(item.content, null, 2),
            hears: registry.channel(item.channel)?.capabilities.inbound,
            stops: registry.channel(item.channel)?.optOut?.words,
            acts: ACTS.filter(({ what }) => registry.channel(item.channel)?.capabilities.receipts.includes(what)),
          },
        );
      },
      { query: ['view', 'width'] },
    ),
    site.get('/portal/outbox/:message_id/letter', 'The HTML of a message, alone in its frame.', async (visit) => {
      const { preview } = await sandbox.get(visit.principal, visit.params.message_id ?? '');
      return letter(preview);
    }),
    site.post(
      '/portal/outbox/:message_id/play',
      'Answers in the place of the person.',
      async (visit) => {
        const act = ACTS.find(({ what }) => what === visit.fields.what);
        if (!act) throw new ApiError('validation_failed', 'Choose one of the answers on the page.');
        const messageId = visit.params.message_id ?? '';
        await sandbox.react(visit.principal, messageId, act.what);
        return visit.go(`/portal/outbox/${messageId}`, 'played');
      },
      { audit: 'outbox.played' },
    ),
    site.post(
      '/portal/outbox/:message_id/write',
      'Writes back in the place of the person.',
      async (visit) => {
        const item = await sandbox.get(visit.principal, visit.params.message_id ?? '');
        const text = (visit.fields.word ?? visit.fields.text ?? '').trim();
        if (text === '') throw new ApiError('validation_failed', 'Write what the person says.');
        const { recipient } = await notifications.get(visit.principal, item.notification_id);
        const fields = registry.channel(item.channel)?.recipient.map(({ name }) => name) ?? [];
        const from = Object.fromEntries(Object.entries(recipient).filter(([name]) => fields.includes(name)));
        await sandbox.write(visit.principal, { channel: item.channel, from, text: text.slice(0, TEXT_MAX) });
        return visit.go('/portal/inbox', 'wrote');
      },
      { audit: 'outbox.played' },
    ),
  ];
}

const NAMES: Readonly<Record<string, string>> = { text: 'Text', headers: 'Headers', source: 'Source' };
const HEADLINE_MAX = 90;

function headline({ preview }: OutboxItem): string {
  const text = preview?.kind === 'mail' ? preview.subject : (preview?.text ?? '');
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > HEADLINE_MAX ? `${line.slice(0, HEADLINE_MAX - 1)}…` : line || '(empty)';
}

/** What the envelope of the letter says, from the parts of the content that are short texts. */
function headersOf(item: OutboxItem): readonly { readonly name: string; readonly value: string }[] {
  const said = Object.entries(item.content).flatMap(([name, value]) =>
    typeof value === 'string' && !['body', 'html', 'text'].includes(name) ? [{ name: headerName(name), value }] : [],
  );
  return [
    { name: 'To', value: item.address },
    ...said,
    { name: 'Date', value: new Date(item.created_at).toUTCString() },
    { name: 'Message', value: item.message_id },
  ];
}
const headerName = (name: string) =>
  name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('-');
