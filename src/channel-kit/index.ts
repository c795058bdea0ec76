/** All that the author of an adapter may import. */

export type * from './callbacks.ts';
export { conformanceFaults } from './conformance.ts';
export type * from './contract.ts';
export type { Fault, FaultKind, FaultMeaning, FaultOwner } from './faults.ts';
export { AddressError, ContentError, classify, DeliveryError, FAULTS, redact } from './faults.ts';
export type { FieldsOptions } from './fields.ts';
export { fieldsSchema, missingFields, withDefaults } from './fields.ts';
export { phoneAddress, phoneField } from './phone.ts';
export type { AnyAdapter, AnyChannel, Registry } from './registry.ts';
export { createRegistry, receiptsOf } from './registry.ts';
export { choice, having, words } from './schema.ts';
export { hmac, sameBytes, sha256Hex, signedBy } from './signature.ts';
export { at, dateOf, formOf, listAt, parseJson, storable, textAt, unixDate } from './untrusted.ts';
