/** By what a contact is known. Two kinds mean the same everywhere; a provider's own mean somebody within an account. Pure. */
import { type Identity, storable } from '../../channel-kit/index.ts';

export interface Known {
  readonly kind: string;
  readonly value: string;
  /** Empty for the kinds that mean the same everywhere. */
  readonly scope: string;
}

/** Everywhere the same person, whoever says it. */
export const EVERYWHERE = ['phone', 'email'] as const;
const isEverywhere = (kind: string): boolean => (EVERYWHERE as readonly string[]).includes(kind);

const TEXT_MAX = 320;

/** `home`: the account within which a name of the provider's own means this person, where nothing narrower is said. */
export function known({ kind, value, scope }: Identity, home: string): Known {
  const text = storable(value.trim(), TEXT_MAX);
  if (isEverywhere(kind)) return { kind, value: text.toLowerCase(), scope: '' };
  return { kind: storable(kind, 64), value: text, scope: storable(scope ?? home, TEXT_MAX) };
}

/** One text an identity. */
export const nameOf = ({ kind, value, scope }: Known): string => JSON.stringify([kind, value, scope]);
