/**
 * Campaigns: a bulk that a person puts together step by step. The file is kept as a draft while they say what its columns are;
 * judging and sending it are the bulks' own verbs.
 *
 *     draft (file, settings) → columns (guess, read, missing) → look (judge) → send (bulks)
 */
export type { Meaning } from './columns.ts';
export type { NewDraft, Timing } from './schema.ts';
export { type Campaigns, type CampaignsDeps, createCampaigns, type DraftView, type Look } from './service.ts';
