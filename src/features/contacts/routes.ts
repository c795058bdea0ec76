/** Contacts over HTTP. */
import { type Route, route } from '../../lib/http.ts';
import { listOf } from '../../lib/list.ts';
import { changeOf } from '../audit/index.ts';
import * as schema from './schema.ts';
import type { Contacts } from './service.ts';

const CHANGE = { auth: 'key', scope: 'manage', tag: 'Contacts' } as const;
const LOOK = { auth: 'key', scope: 'read', tag: 'Contacts' } as const;
const IT = { 200: { description: 'The contact as it is now', schema: schema.contactItem } };

/** The audit log is never changed and must not hold who a person is: it says which fields were touched. */
const touched = (body: object): object => ({ fields: Object.keys(body) });

export const contactRoutes = (contacts: Contacts): readonly Route[] => [
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/contacts',
    summary: 'Create a contact',
    description:
      'A person, under your own id of them. Whoever writes in from the same telephone number, mailbox or other identity is this contact, ' +
      'and `contact.identified` says so.',
    audit: 'contact.created',
    body: schema.createContact,
    replies: { 201: { description: 'The contact', schema: schema.contactItem } },
    errors: ['validation_failed', 'conflict', 'not_found'],
    handler: async ({ principal, body }) => ({
      status: 201,
      body: await contacts.create(principal, body),
      noted: touched(body),
    }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/contacts',
    summary: 'List and search contacts',
    query: schema.contactQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(schema.contactItem) } },
    errors: ['validation_failed'],
    handler: async ({ principal, query }) => ({ status: 200, body: await contacts.list(principal, query) }),
  }),
  route({
    ...LOOK,
    method: 'GET',
    path: '/api/v1/contacts/:contact_id',
    summary: 'Get a contact',
    description: 'One that was merged is shown as the contact it is a part of.',
    params: schema.contactParams,
    replies: IT,
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await contacts.get(principal, params.contact_id),
    }),
  }),
  route({
    ...CHANGE,
    method: 'PATCH',
    path: '/api/v1/contacts/:contact_id',
    summary: 'Change a contact',
    audit: 'contact.updated',
    params: schema.contactParams,
    body: schema.patchContact,
    replies: IT,
    errors: ['not_found', 'validation_failed', 'conflict'],
    handler: async ({ principal, params, body }) => ({
      status: 200,
      body: await contacts.patch(principal, params.contact_id, body),
      noted: touched(body),
    }),
  }),
  route({
    ...CHANGE,
    method: 'DELETE',
    path: '/api/v1/contacts/:contact_id',
    summary: 'Delete a contact',
    description:
      'With all that were merged into it. Conversations stay; to take a person out of everything, erase the recipient.',
    audit: 'contact.deleted',
    params: schema.contactParams,
    replies: { 204: { description: 'Deleted' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      await contacts.remove(principal, params.contact_id);
      return { status: 204 };
    },
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/contacts/:contact_id/merge',
    summary: 'Merge another contact into this one',
    description: 'Nothing is lost: the other keeps what it says, and the merge can be undone.',
    audit: 'contact.merged',
    params: schema.contactParams,
    body: schema.mergeBody,
    replies: IT,
    errors: ['not_found', 'validation_failed', 'conflict'],
    async handler({ principal, params, body }) {
      const merged = await contacts.merge(principal, params.contact_id, body.contact_id);
      return { status: 200, body: merged, noted: changeOf(undefined, body) };
    },
  }),
  route({
    ...CHANGE,
    method: 'POST',
    path: '/api/v1/contacts/:contact_id/merges/:merge_id/undo',
    summary: 'Undo a merge',
    audit: 'contact.unmerged',
    params: schema.mergeParams,
    replies: IT,
    errors: ['not_found', 'conflict'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await contacts.undo(principal, params.contact_id, params.merge_id),
    }),
  }),
];
