/**
 * Cloud API error codes and what they mean for a message. The same codes come back on a send and, later, in a status.
 * Source: Cloud API error codes and throughput pages, read 2026-08.
 */
import type { FaultKind } from '../../src/channel-kit/index.ts';

const all = (codes: readonly (number | string)[], kind: FaultKind): Record<string, FaultKind> =>
  Object.fromEntries(codes.map((code) => [String(code), kind]));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

export const faults: Readonly<Record<string, FaultKind>> = {
  // Token, permission, registration, billing, account standing: a person must repair the connection.
  ...all([0, 190, 3, 10, ...range(200, 299), 131005], 'credentials_invalid'),
  ...all([33, 368, 131031, 130497, 131037, 131042, 131045], 'credentials_invalid'),
  ...all([133000, 133005, 133006, 133008, 133009, 133010, 133015, 133016], 'credentials_invalid'),
  ...all([1, 2, 131000, 131016, 131057, 133004], 'provider_unavailable'),
  ...all([4, 80007, 130429, 131056], 'rate_limited'),
  ...all([100, 131008, 131009, 131051, 131052, 131053, 131055, 134100, 134101, 134102, 135000], 'content_invalid'),
  ...all([132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069], 'template_rejected'),
  ...all([2388019, 2388293, 2388299], 'template_rejected'),
  ...all([131021, 131026], 'recipient_invalid'),
  131047: 'outside_window',
  131050: 'recipient_opted_out',
  // Spam restriction on the sender, the cap on marketing per person, a person in an experiment: never repeat by ourselves.
  ...all([131048, 131049, 130472], 'provider_rejected'),
};

/** One code for each verdict that a status can carry, for emulated callbacks. */
export const exampleCodes: Readonly<Partial<Record<FaultKind, readonly [code: number, title: string]>>> = {
  recipient_invalid: [131026, 'Message undeliverable'],
  recipient_opted_out: [131050, 'User has stopped receiving marketing messages'],
  outside_window: [131047, 'Re-engagement message'],
  template_rejected: [132015, 'Template is paused'],
  content_invalid: [131009, 'Parameter value is not valid'],
  credentials_invalid: [131042, 'Business eligibility payment issue'],
  provider_unavailable: [131000, 'Something went wrong'],
  rate_limited: [130429, 'Rate limit hit'],
  provider_rejected: [131049, 'Not delivered to keep the ecosystem healthy'],
};
