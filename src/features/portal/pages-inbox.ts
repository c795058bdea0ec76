/** The inbox: who wrote to us, what was said, and an answer where it may still be given. */
import type { Registry } from '../../channel-kit/index.ts';
import { sha256 } from '../../lib/crypto.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { newId, toWire } from '../../lib/ids.ts';
import { validator } from '../../lib/schema.ts';
import { changeOf } from '../audit/index.ts';
import { CONVERSATION_STATUSES, patchConversation } from '../conversations/index.ts';
import { answerForm, answerInput, readAnswer } from './answer-form.ts';
import { type Faults, faultsOf } from './forms.ts';
import { addressOf } from './pages-messages.ts';
import type { Conversation, ConversationsDoor, MediaDoor, TemplatesDoor, TenantsDoor } from './ports.ts';
import { readersKey, writeSample } from './samples.ts';
import { PAGE_HEADERS, type Site, type Visit } from './site.ts';
import { type Around, conversationWords, threadWords } from './thread-words.ts';
import { spaced } from './words.ts';

export interface InboxPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly templates: TemplatesDoor;
  readonly conversations: ConversationsDoor;
  readonly media: MediaDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

const PAGE = 50;
const NOBODY = 'none';
const change = validator(patchConversation);
/** The input in which a form carries what makes it one form, so that pressing twice answers once. */
const ONCE = 'once';

export function inboxPages(deps: InboxPagesDeps): readonly Route[] {
  const { site, tenants, templates, conversations, media, registry, publicUrl } = deps;
  const around = async ({ principal, request }: Visit): Promise<Around> => {
    const people = await tenants.people(principal.tenantId);
    return {
      people: new Map(people.map((one) => [toWire('user', one.id), one])),
      labelOf: (id) => registry.channel(id)?.label ?? id,
      now: request.at,
    };
  };
  const me = ({ principal }: Visit) => toWire('user', principal.actor.id);
  const one = (visit: Visit) => conversations.get(visit.principal, visit.params.conversation_id ?? '');

  const page = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const { principal, query, fields, request } = visit;
    const conversation = await one(visit);
    const here = `/portal/inbox/${conversation.id}`;
    const cursor = query.cursor;
    const [thread, about, answer] = await Promise.all([
      conversations.messages(principal, conversation.id, { limit: PAGE, order: 'desc', ...(cursor ? { cursor } : {}) }),
      around(visit),
      answerForm(deps, principal, conversation, {
        typed: faults ? fields : query,
        now: request.at,
        language: visit.session?.tenant.defaultLanguage,
      }),
    ]);
    // Who looks at it has read it. Nothing else changes by looking.
    if (conversation.unread_count > 0) await conversations.patch(principal, conversation.id, { unread_count: 0 });
    return visit.render(
      'conversation',
      { title: conversationWords(conversation, about).title, section: 'inbox', ...(faults ? { faults } : {}) },
      {
        conversation: conversationWords(conversation, about),
        thread: threadWords(thread.data.toReversed()),
        older: thread.next_cursor ? addressOf(here, { cursor: thread.next_cursor }) : undefined,
        newest: cursor ? here : undefined,
        answer,
        once: newId(),
        statuses: CONVERSATION_STATUSES.map((status) => ({
          status,
          word: spaced(status),
          current: status === conversation.status,
        })),
        people: choices(about, conversation.assignee),
        mine: conversation.assignee === me(visit),
      },
    );
  };

  return [
    site.get(
      '/portal/inbox',
      'Conversations, the one that was written to last first.',
      async (visit) => {
        const { principal, query } = visit;
        const { assignee, channel, contact_id, cursor } = query;
        const status = CONVERSATION_STATUSES.find((known) => known === query.status);
        const shown = status ?? (query.status === 'all' || contact_id ? undefined : 'open');
        const [list, about, key] = await Promise.all([
          conversations.list(principal, {
            limit: PAGE,
            ...(shown ? { status: shown } : {}),
            ...(assignee ? { assignee: assignee === 'me' ? me(visit) : assignee } : {}),
            ...(channel ? { channel } : {}),
            ...(contact_id ? { contact_id } : {}),
            ...(cursor ? { cursor } : {}),
          }),
          around(visit),
          readersKey(tenants, principal),
        ]);
        const address = (more: Readonly<Record<string, string | undefined>>) =>
          addressOf('/portal/inbox', { status: query.status, assignee, channel, contact_id, ...more });
        return visit.render(
          'inbox',
          { title: 'Inbox', section: 'inbox' },
          {
            rows: list.data.map((row) => conversationWords(row, about)),
            tabs: [...CONVERSATION_STATUSES, 'all' as const].map((word) => ({
              word: spaced(word),
              href: address({ status: word, cursor: undefined }),
              current: word === (shown ?? 'all'),
            })),
            filter: { status: query.status, assignee, channel, contact_id },
            filtered: Boolean(assignee || channel || contact_id || shown !== 'open'),
            people: choices(about, assignee ?? null),
            nobody: assignee === NOBODY,
            mine: assignee === 'me',
            channels: registry.channels
              .filter(({ capabilities }) => capabilities.inbound)
              .map(({ id, label }) => ({ id, label })),
            next: list.next_cursor ? address({ cursor: list.next_cursor }) : undefined,
            first: cursor ? address({}) : undefined,
            refresh: address({ cursor }),
            curl: writeSample(registry, { baseUrl: publicUrl(), key }),
          },
        );
      },
      { query: ['status', 'assignee', 'channel', 'contact_id', 'cursor'] },
    ),
    site.get('/portal/inbox/:conversation_id', 'One conversation, and an answer.', (visit) => page(visit), {
      query: ['cursor', 'template_id', 'language'],
    }),
    site.post(
      '/portal/inbox/:conversation_id',
      'Gives a conversation to somebody, or changes its status.',
      async (visit) => {
        const { id } = await one(visit);
        const { status, assignee } = visit.fields;
        try {
          const command = change.check({
            ...(status === undefined ? {} : { status }),
            ...(assignee === undefined ? {} : { assignee: assignee === 'me' ? me(visit) : assignee || null }),
          });
          await conversations.patch(visit.principal, id, command);
          return { ...visit.go(`/portal/inbox/${id}`, 'conversation_saved'), noted: changeOf(undefined, command) };
        } catch (error) {
          return page(
            visit,
            faultsOf(error, () => undefined),
          );
        }
      },
      { audit: 'conversation.updated' },
    ),
    site.post(
      '/portal/inbox/:conversation_id/reply',
      'Answers the person.',
      async (visit) => {
        const conversation = await one(visit);
        const { principal, ip, requestId, at } = visit.request;
        try {
          const read = readAnswer(visit.fields, await variablesFor(visit), conversation.channel);
          if ('faults' in read) return page(visit, read.faults);
          const key = onceKey(visit, read.command);
          await conversations.reply({ principal, ip, requestId, at }, conversation.id, read.command, key);
          return visit.go(`/portal/inbox/${conversation.id}`, 'answered');
        } catch (error) {
          return page(visit, faultsOf(error, answerInput));
        }
      },
      { audit: 'conversation.answered' },
    ),
    site.get('/portal/media/:media_id', 'What came with a message.', async (visit) => {
      const { mime, filename, bytes } = await media.get(visit.principal, visit.params.media_id ?? '');
      return {
        status: 200,
        type: mime,
        body: bytes,
        headers: {
          ...PAGE_HEADERS,
          // A picture is drawn in our pages all the same; as a page of its own nothing of a stranger's is.
          'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(filename).replace(/['()*]/g, escaped)}`,
          'Content-Security-Policy': "default-src 'none'; sandbox",
        },
      };
    }),
  ];

  async function variablesFor({ principal, fields }: Visit) {
    return fields.template_id ? (await templates.get(principal, fields.template_id)).inferred_variables : [];
  }
}

const escaped = (one: string) => `%${one.charCodeAt(0).toString(16)}`;

/** Of one form and one text: a second press is the first again, another text is another answer. */
function onceKey({ fields }: Visit, command: object): string | undefined {
  const once = fields[ONCE];
  return once && /^[\w-]{1,64}$/.test(once)
    ? `answer-${sha256(`${once} ${JSON.stringify(command)}`)
        .toString('hex')
        .slice(0, 40)}`
    : undefined;
}

/** The people of the tenant, and whoever has it though they are none of them. */
function choices({ people }: Around, assignee: Conversation['assignee']) {
  const all = [...people].map(([id, { name }]) => ({ id, name, chosen: id === assignee }));
  const isStranger = assignee !== null && assignee !== NOBODY && assignee !== 'me' && !people.has(assignee);
  return isStranger ? [...all, { id: assignee, name: assignee, chosen: true }] : all;
}
