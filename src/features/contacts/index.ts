/** The door of contacts: people, under all the names they have. */
export { type Arrival, type Met, meet } from './arrivals.ts';
export { contactRoutes } from './routes.ts';
export { type ContactCard, type ContactItem, contactCard, createContact, patchContact } from './schema.ts';
export { type Contacts, type ContactsDeps, createContacts } from './service.ts';
