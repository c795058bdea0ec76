/**
 * Who has written: people as providers name them, made into contacts. A batch costs the same few statements however many there
 * are; only who is new makes the others of the tenant wait.
 */
import type { Identity } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { newId, toWire } from '../../lib/ids.ts';
import { type Known, known, nameOf } from './identity.ts';
import {
  findIdentities,
  headsOf,
  type IdentityRow,
  insertContacts,
  insertIdentities,
  insertMerge,
  lockContacts,
  nameContacts,
} from './store.ts';

export interface Arrival {
  readonly tenantId: string;
  readonly mode: Mode;
  /** UUID of the connection that has seen this person. */
  readonly connectionId: string;
  /** The strongest first; at least one. */
  readonly identities: readonly Identity[];
  readonly name: string | undefined;
}

export interface Met {
  /** The contact that stands for this person. */
  readonly contactId: string;
  /** Your own id of them, if the tenant has said one. */
  readonly externalId: string | null;
}

interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}
interface Person extends Arrival {
  readonly names: readonly (Known & Owner)[];
}

const keyOf = ({ tenantId, mode, ...rest }: Known & Owner): string => `${mode} ${tenantId} ${nameOf(rest)}`;

/** One answer an arrival, in their order. */
export async function meet(trx: Sql, arrivals: readonly Arrival[]): Promise<readonly Met[]> {
  const people = arrivals.map((one): Person => {
    const home = toWire('connection', one.connectionId);
    const { tenantId, mode } = one;
    return { ...one, names: one.identities.map((identity) => ({ ...known(identity, home), tenantId, mode })) };
  });
  const all = people.flatMap(({ names }) => names);
  let owners = ownersOf(await findIdentities(trx, all));
  if (all.some((name) => !owners.has(keyOf(name)))) {
    await lockContacts(trx, people);
    owners = ownersOf(await findIdentities(trx, all));
    await makeContacts(trx, people, owners);
  }
  return headOf(trx, people, owners);
}

const ownersOf = (rows: readonly (IdentityRow & Owner)[]): Map<string, string> =>
  new Map(rows.map((row) => [keyOf({ ...row, kind: row.kind, value: row.value, scope: row.scope }), row.contactId]));

/** Adds the owners of names that nobody had: whoever has another name of the same person, or a new contact. */
async function makeContacts(trx: Sql, people: readonly Person[], owners: Map<string, string>): Promise<void> {
  const contacts: { id: string; tenantId: string; mode: Mode; name: string | undefined }[] = [];
  const identities: Parameters<typeof insertIdentities>[1][number][] = [];
  for (const { tenantId, mode, connectionId, names, name } of people) {
    const unknown = names.filter((one) => !owners.has(keyOf(one)));
    if (unknown.length === 0) continue;
    let contactId = names.map((one) => owners.get(keyOf(one))).find((id) => id !== undefined);
    if (contactId === undefined) {
      contactId = newId();
      contacts.push({ id: contactId, tenantId, mode, name });
    }
    for (const one of unknown) {
      owners.set(keyOf(one), contactId);
      identities.push({ ...one, contactId, connectionId });
    }
  }
  if (contacts.length > 0) await insertContacts(trx, contacts);
  if (identities.length > 0) await insertIdentities(trx, identities);
}

/** Who stands for each; names that a provider gives one person make one contact of two, unless the tenant tells them apart. */
async function headOf(
  trx: Sql,
  people: readonly Person[],
  owners: ReadonlyMap<string, string>,
): Promise<readonly Met[]> {
  const contactsOf = ({ names }: Person): string[] => [
    ...new Set(names.flatMap((one) => owners.get(keyOf(one)) ?? [])),
  ];
  const groups = await groupsOf(trx, [...new Set(people.flatMap(contactsOf))]);
  const names = new Map<string, string>();
  const joined = new Map<string, string>();
  const met: Met[] = [];
  for (const person of people) {
    const heads = [...new Set(contactsOf(person).map((id) => resolve(groups.get(id)?.id ?? id, joined)))];
    const [first, ...others] = heads as [string, ...string[]];
    for (const other of others) {
      const [into, from] = first < other ? [first, other] : [other, first];
      const [a, b] = [groups.get(into), groups.get(from)];
      if (!a || !b || (a.externalId !== null && b.externalId !== null) || joined.has(from) || joined.has(into))
        continue;
      await insertMerge(trx, { id: newId(), ...person, contactId: into, fromId: from });
      joined.set(from, into);
      a.externalId ??= b.externalId;
      a.name ??= b.name;
    }
    const contactId = resolve(first, joined);
    const group = groups.get(contactId);
    if (group && group.name === null && person.name) {
      names.set(contactId, person.name);
      group.name = person.name;
    }
    met.push({ contactId, externalId: group?.externalId ?? null });
  }
  if (names.size > 0) await nameContacts(trx, names);
  return met;
}

const resolve = (id: string, joined: ReadonlyMap<string, string>): string => joined.get(id) ?? id;

interface Group {
  readonly id: string;
  name: string | null;
  externalId: string | null;
}

/** By each of its contacts: what the group says of itself. */
async function groupsOf(trx: Sql, ids: readonly string[]): Promise<ReadonlyMap<string, Group>> {
  const groups = new Map<string, Group>();
  const heads = new Map<string, Group>();
  for (const row of await headsOf(trx, ids)) {
    const headId = row.mergedInto ?? row.id;
    const group = heads.get(headId) ?? { id: headId, name: null, externalId: null };
    group.name ??= row.name;
    group.externalId ??= row.externalId;
    heads.set(headId, group);
    groups.set(row.asked, group);
    groups.set(headId, group);
  }
  return groups;
}
