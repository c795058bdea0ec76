/**
 * A whole mail, as a mail server hands it over: what somebody wrote, a report that ours did not arrive, or a complaint.
 *
 * A report speaks of our message by the envelope id it was sent with or by the Message-ID of the copy it encloses. Automatic
 * answers are no messages. Source: RFC 3464 (delivery status), RFC 5965 (feedback), RFC 3834 (automatic answers), RFC 5322.
 */
import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime';
import {
  type ChannelEvent,
  dateOf,
  type InboundMedia,
  type RawRequest,
  sha256Hex,
} from '../../src/channel-kit/index.ts';
import { aboutOf } from './correlation.ts';
import { textOf } from './html-text.ts';
import { plainAddress } from './mailbox.ts';
import { refusedLater } from './smtp-faults.ts';

const LIMITS = { attachmentEncoding: 'arraybuffer', maxNestingDepth: 32 } as const;
const FILES_MAX = 20;
const TEXT_MAX = 200_000;

export async function eventsOf({ body }: RawRequest): Promise<readonly ChannelEvent[]> {
  let mail: Email;
  try {
    mail = await PostalMime.parse(body, LIMITS);
  } catch {
    return [{ type: 'ignored', reason: 'not a mail' }];
  }
  const id = mail.messageId ?? sha256Hex(body);
  const [report, feedback] = [partOf(mail, ['message/delivery-status']), partOf(mail, ['message/feedback-report'])];
  if (report !== undefined) return statusesOf(mail, report, id);
  if (feedback !== undefined) return [complaintOf(mail, feedback, id)];
  if (isAutomatic(mail)) return [{ type: 'ignored', reason: 'an automatic answer' }];
  return [messageOf(mail, id)];
}

/** The text of the first part of one of these types. */
function partOf({ attachments }: Email, types: readonly string[]): string | undefined {
  const part = attachments.find(({ mimeType }) => types.includes(mimeType));
  return part && bytesOf(part).toString();
}

const bytesOf = ({ content }: Attachment): Buffer =>
  typeof content === 'string'
    ? Buffer.from(content)
    : content instanceof ArrayBuffer
      ? Buffer.from(content)
      : Buffer.from(content.buffer, content.byteOffset, content.byteLength);

/** `Name: value` lines, names in lower case, folded lines as one; the first of a name counts. */
function fieldsOf(block: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null);
  for (const line of block.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields[line.slice(0, colon).trim().toLowerCase()] ??= line.slice(colon + 1).trim();
  }
  return fields;
}

/** The Message-ID of the mail that came back, of which a report encloses a copy or its headers. */
function enclosedId(mail: Email): string | undefined {
  const copy = partOf(mail, ['message/rfc822', 'message/global', 'text/rfc822-headers', 'message/global-headers']);
  return copy && fieldsOf(copy.slice(0, 100_000).split(/\r?\n\r?\n/, 1)[0] ?? '')['message-id'];
}

function statusesOf(mail: Email, report: string, id: string): readonly ChannelEvent[] {
  const [common = {}, ...recipients] = report.split(/\r?\n[ \t]*\r?\n/).map(fieldsOf);
  const about = aboutOf(enclosedId(mail), common['original-envelope-id']);
  const told = recipients.filter(({ action }) => action !== undefined);
  if (!about || told.length === 0) return [{ type: 'ignored', reason: 'a report on nothing we could know' }];
  const moment = dateOf(mail.date);
  return told.map(({ action = '', status, 'diagnostic-code': words }, index): ChannelEvent => {
    const word = action.toLowerCase();
    if (word !== 'failed' && word !== 'delivered') return { type: 'ignored', reason: `report ${word.slice(0, 100)}` };
    return {
      type: 'receipt',
      key: `report:${id}:${index}`,
      ...about,
      ...(moment ? { at: moment } : {}),
      ...(word === 'delivered' ? { receipt: 'delivered' } : { receipt: 'bounced', fault: refusedLater(status, words) }),
    };
  });
}

/** Words by which a mailbox service says that somebody pressed *spam*. */
const COMPLAINTS = ['abuse', 'fraud', 'other'];

function complaintOf(mail: Email, feedback: string, id: string): ChannelEvent {
  const kind = fieldsOf(feedback)['feedback-type']?.toLowerCase() ?? 'none';
  const about = aboutOf(enclosedId(mail));
  const moment = dateOf(mail.date);
  if (!about || !COMPLAINTS.includes(kind)) return { type: 'ignored', reason: `feedback ${kind.slice(0, 100)}` };
  return { type: 'receipt', key: `report:${id}`, ...about, receipt: 'complained', ...(moment ? { at: moment } : {}) };
}

/** Out of office, a mailer's own note, a list: answering any of them may go round for ever. */
function isAutomatic(mail: Email): boolean {
  const header = (name: string) =>
    mail.headers
      .find(({ key }) => key === name)
      ?.value.trim()
      .toLowerCase();
  const submitted = header('auto-submitted');
  return (
    (submitted !== undefined && !submitted.startsWith('no')) ||
    ['auto_reply', 'bulk', 'junk', 'list'].includes(header('precedence') ?? '') ||
    ['x-autoreply', 'x-autorespond', 'x-autoresponse', 'list-id'].some((name) => header(name) !== undefined) ||
    header('return-path') === '<>' ||
    /^(mailer-daemon|postmaster)@/i.test(mail.from?.address ?? '')
  );
}

function messageOf(mail: Email, id: string): ChannelEvent {
  const email = plainAddress(mail.from?.address ?? '');
  if (!email) return { type: 'ignored', reason: 'a mail of nobody who can be answered' };
  const text = (mail.text?.trim() || textOf(mail.html ?? '')).slice(0, TEXT_MAX);
  const [to, cc] = [addressesOf(mail.to), addressesOf(mail.cc)];
  const media = mail.attachments.slice(0, FILES_MAX).map(fileOf);
  const replyTo = /<[^<>\s]{1,500}>/.exec(mail.inReplyTo ?? '')?.[0] ?? lastOf(mail.references);
  const moment = dateOf(mail.date);
  return {
    type: 'message',
    key: `mail:${email}:${id}`,
    providerId: id,
    ...(moment ? { at: moment } : {}),
    person: {
      recipient: { email },
      identities: [{ kind: 'email', value: email }],
      ...(mail.from?.name ? { name: mail.from.name } : {}),
    },
    content: {
      kind: 'mail',
      ...(text ? { text } : {}),
      data: {
        ...(mail.subject ? { subject: mail.subject } : {}),
        ...(to.length > 0 ? { to } : {}),
        ...(cc.length > 0 ? { cc } : {}),
      },
      ...(media.length > 0 ? { media } : {}),
    },
    ...(replyTo ? { replyTo } : {}),
  };
}

const addressesOf = (given: readonly Address[] = []): readonly string[] =>
  given.flatMap(({ address, group }) => (group ? group.map((one) => one.address) : [address ?? ''])).filter(Boolean);

const lastOf = (references = ''): string | undefined =>
  references.split(/\s+/).findLast((one) => /^<[^<>\s]{1,500}>$/.test(one));

const fileOf = (file: Attachment): InboundMedia => ({
  mime: file.mimeType,
  bytes: bytesOf(file),
  ...(file.filename ? { filename: file.filename } : {}),
});
