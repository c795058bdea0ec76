/** Conversations as the inbox says them: who it is, how it stands, and each message as a bubble. Pure. */
import type { Conversation, Person, Status, ThreadItem } from './ports.ts';
import { exact, spaced } from './words.ts';

/** How a status is drawn: what nobody has dealt with catches the eye. */
const SHAPES: Readonly<Record<Conversation['status'], Status>> = {
  open: 'sent',
  pending: 'queued',
  on_hold: 'queued',
  resolved: 'delivered',
};

/** What the list says instead of a text there is none of. */
const wordless = (kind: string): string => `(${KINDS[kind] ?? spaced(kind)})`;
const KINDS: Readonly<Record<string, string>> = {
  image: 'picture',
  document: 'file',
  unsupported: 'a kind of message that could not be read',
  revoke: 'took a message back',
};

export interface Around {
  /** The people of the tenant, by the id they have outside. */
  readonly people: ReadonlyMap<string, Person>;
  readonly labelOf: (channel: string) => string;
  readonly now: Date;
}

export function conversationWords(conversation: Conversation, { people, labelOf, now }: Around) {
  const { contact, address, status, assignee, last_message: last, window_expires_at: until } = conversation;
  return {
    ...conversation,
    title: contact?.name ?? contact?.phone ?? contact?.email ?? address,
    label: labelOf(conversation.channel),
    shape: SHAPES[status],
    word: spaced(status),
    snippet: last ? (last.text ?? wordless(last.kind)) : undefined,
    at: last?.created_at ?? conversation.updated_at,
    whose: assignee === null ? undefined : (people.get(assignee)?.name ?? assignee),
    open: until !== null && Date.parse(until) > now.getTime(),
  };
}

/** What a browser may draw as a picture without being asked: never what can hold a script. */
const PICTURES = /^image\/(?:png|jpe?g|gif|webp)$/;

type Came = Extract<ThreadItem, { origin: string }>;
const isCame = (item: ThreadItem): item is Came => 'origin' in item;

/** A bubble: on which side, what it says, what came with it, and what became of it. */
function bubble(item: ThreadItem) {
  const common = { id: item.id, at: item.created_at, ours: item.direction === 'outbound' };
  if (!isCame(item))
    return {
      ...common,
      text: item.text ?? undefined,
      unseen: item.text === null,
      status: item.status,
      read_at: item.read_at,
      failure: item.failure,
      template_id: item.template_id,
      href: `/portal/messages/${item.notification_id}`,
    };
  const { kind, text, data } = item.content;
  return {
    ...common,
    text: text ?? undefined,
    kind: kind === 'text' || kind === 'mail' ? undefined : (KINDS[kind] ?? spaced(kind)),
    subject: typeof data?.subject === 'string' ? data.subject : undefined,
    // What a choice or a mail is beside its words is for machines.
    details:
      data && ['location', 'contacts', 'order', 'form'].includes(kind) ? JSON.stringify(data, null, 2) : undefined,
    elsewhere: item.origin === 'echo',
    media: item.media.map(({ id, mime, filename, size, status }) => ({
      href: `/portal/media/${id}`,
      name: filename ?? mime,
      size,
      stored: status === 'stored',
      failed: status === 'failed',
      picture: status === 'stored' && PICTURES.test(mime),
    })),
  };
}

/** In the order of time; the first of each day says which. */
export function threadWords(items: readonly ThreadItem[]) {
  const bubbles = items.map(bubble);
  return bubbles.map((one, index) => {
    const day = exact(one.at).slice(0, 10);
    const before = bubbles[index - 1];
    return { ...one, ...(before && exact(before.at).startsWith(day) ? {} : { day }) };
  });
}
