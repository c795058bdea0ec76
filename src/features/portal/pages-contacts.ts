/** Contacts: who is this, by which names do we know them, what was said, and are two of them the same? */
import type { Reply, Route } from '../../lib/http.ts';
import { validator } from '../../lib/schema.ts';
import { createContact, patchContact } from '../contacts/index.ts';
import { type Faults, type Fields, faultsOf, lastPart } from './forms.ts';
import { addressOf } from './pages-messages.ts';
import type { Contact, ContactsDoor, ConversationsDoor, TenantsDoor } from './ports.ts';
import { curl, readersKey } from './samples.ts';
import type { Site, Visit } from './site.ts';
import { spaced } from './words.ts';

export interface ContactPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly contacts: ContactsDoor;
  readonly conversations: ConversationsDoor;
  readonly publicUrl: () => string;
}

const PAGE = 50;
const RECENT = 10;
/** Contacts with a like name that could be the same person. */
const ALIKE = 8;
const creation = validator(createContact);
const change = validator(patchContact);
const OWN = ['name', 'external_id', 'email', 'phone'] as const;

const titleOf = ({ name, external_id, phone, email, identities }: Contact): string =>
  name ?? phone ?? email ?? external_id ?? identities[0]?.value ?? 'Nameless';

export function contactPages({
  site,
  tenants,
  contacts,
  conversations,
  publicUrl,
}: ContactPagesDeps): readonly Route[] {
  const here = (id: string) => `/portal/contacts/${id}`;
  const one = (visit: Visit) => contacts.get(visit.principal, visit.params.contact_id ?? '');
  const addPage = (visit: Visit, faults?: Faults): Reply =>
    visit.render(
      'contact-new',
      { title: 'New contact', section: 'contacts', ...(faults ? { faults } : {}) },
      { form: visit.fields },
    );
  const page = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const contact = await one(visit);
    const search = (visit.query.like ?? visit.fields.like)?.trim();
    const [talks, alike] = await Promise.all([
      conversations.list(visit.principal, { limit: RECENT, contact_id: contact.id }),
      search ? contacts.list(visit.principal, { limit: ALIKE, search }) : undefined,
    ]);
    const typed = faults && visit.fields.metadata !== undefined ? visit.fields : undefined;
    return visit.render(
      'contact',
      { title: titleOf(contact), section: 'contacts', ...(faults ? { faults } : {}) },
      {
        contact: { ...contact, title: titleOf(contact) },
        identities: contact.identities.map((identity) => ({ ...identity, word: spaced(identity.kind) })),
        conversations: talks.data.map((talk) => ({ ...talk, word: spaced(talk.status) })),
        form: typed ?? { ...contact, metadata: metadataText(contact.metadata) },
        like: search,
        alike: alike?.data.filter(({ id }) => id !== contact.id).map((other) => ({ ...other, title: titleOf(other) })),
      },
    );
  };
  /** The page again, with what was wrong. */
  const orFaults = async (visit: Visit, work: () => Promise<Reply>): Promise<Reply> => {
    try {
      return await work();
    } catch (error) {
      return page(visit, faultsOf(error, inputOf));
    }
  };

  return [
    site.get(
      '/portal/contacts',
      'People, and a search for one.',
      async (visit) => {
        const { search, cursor } = visit.query;
        const [list, key] = await Promise.all([
          contacts.list(visit.principal, {
            limit: PAGE,
            ...(search ? { search } : {}),
            ...(cursor ? { cursor } : {}),
          }),
          readersKey(tenants, visit.principal),
        ]);
        const address = (more: Readonly<Record<string, string | undefined>>) =>
          addressOf('/portal/contacts', { search, ...more });
        return visit.render(
          'contacts',
          { title: 'Contacts', section: 'contacts' },
          {
            rows: list.data.map((row) => ({ ...row, title: titleOf(row) })),
            search,
            next: list.next_cursor ? address({ cursor: list.next_cursor }) : undefined,
            first: cursor ? address({}) : undefined,
            curl: curl({ baseUrl: publicUrl(), key }, 'POST', '/api/v1/contacts', {
              external_id: 'customer-1042',
              name: 'Ada Lovelace',
              phone: '+14155550123',
            }),
          },
        );
      },
      { query: ['search', 'cursor'] },
    ),
    site.get('/portal/contacts/new', 'The form for a new contact.', async (visit) => addPage(visit)),
    site.post(
      '/portal/contacts',
      'Makes a contact.',
      async (visit) => {
        try {
          const said = Object.entries(ownFields(visit.fields)).filter(([, value]) => value !== null);
          const made = await contacts.create(visit.principal, creation.check(Object.fromEntries(said)));
          return { ...visit.go(here(made.id), 'contact_saved'), noted: { fields: said.map(([name]) => name) } };
        } catch (error) {
          return addPage(visit, faultsOf(error, inputOf));
        }
      },
      { audit: 'contact.created' },
    ),
    site.get('/portal/contacts/:contact_id', 'One contact.', (visit) => page(visit), { query: ['like'] }),
    site.post(
      '/portal/contacts/:contact_id',
      'Changes a contact.',
      (visit) =>
        orFaults(visit, async () => {
          const { id } = await one(visit);
          const metadata = readMetadata(visit.fields.metadata);
          if (metadata === undefined)
            return page(visit, { fields: { metadata: 'This is not JSON of names and values yet.' } });
          const command = change.check({ ...ownFields(visit.fields), metadata });
          await contacts.patch(visit.principal, id, command);
          // Which fields, not what they say: the audit log outlives the people in it.
          return { ...visit.go(here(id), 'contact_saved'), noted: { fields: Object.keys(command) } };
        }),
      { audit: 'contact.updated' },
    ),
    site.post(
      '/portal/contacts/:contact_id/merge',
      'Makes another contact a part of this one.',
      (visit) =>
        orFaults(visit, async () => {
          const { id } = await one(visit);
          await contacts.merge(visit.principal, id, visit.fields.other ?? '');
          return { ...visit.go(here(id), 'contact_merged'), noted: { contact_id: visit.fields.other } };
        }),
      { audit: 'contact.merged' },
    ),
    site.post(
      '/portal/contacts/:contact_id/merges/:merge_id/undo',
      'Takes two contacts apart again.',
      (visit) =>
        orFaults(visit, async () => {
          const { contact_id: id = '', merge_id: merge = '' } = visit.params;
          await contacts.undo(visit.principal, id, merge);
          return visit.go(here(id), 'contact_unmerged');
        }),
      { audit: 'contact.unmerged' },
    ),
    site.post(
      '/portal/contacts/:contact_id/remove',
      'Deletes a contact.',
      async (visit) => {
        const { id } = await one(visit);
        await contacts.remove(visit.principal, id);
        return visit.go('/portal/contacts', 'contact_removed');
      },
      { audit: 'contact.deleted' },
    ),
  ];
}

const inputOf = (path: string): string | undefined =>
  path.startsWith('metadata') ? 'metadata' : lastPart(...OWN)(path);

/** An emptied field is none. A number may be typed with spaces. */
const ownFields = (fields: Fields) =>
  Object.fromEntries(
    OWN.map((name) => {
      const text = (fields[name] ?? '').trim();
      return [name, (name === 'phone' ? text.replace(/[\s()-]/g, '') : text) || null];
    }),
  );

const metadataText = (metadata: Readonly<Record<string, unknown>>): string =>
  Object.keys(metadata).length > 0 ? JSON.stringify(metadata, null, 2) : '';

function readMetadata(text = ''): unknown {
  if (text.trim() === '') return {};
  try {
    const read = JSON.parse(text) as unknown;
    return typeof read === 'object' && read !== null && !Array.isArray(read) ? read : undefined;
  } catch {
    return undefined;
  }
}
