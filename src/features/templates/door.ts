/**
 * What other features may ask of templates. The pipeline resolves a name when it accepts, keeps the version's id with the
 * message, and renders that very version later, whatever happened to the template in between.
 */

import type { Content } from '../../channel-kit/index.ts';
import type { Soon } from '../../lib/cache.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import type { List } from '../../lib/list.ts';
import type { FieldFault } from '../../lib/schema.ts';
import type { Place } from '../events/index.ts';
import type { Count, FailureLimit, Side, Tally } from './rollout.ts';
import type {
  PreviewInput,
  RolloutInput,
  RolloutView,
  TemplateInput,
  TemplatePreview,
  TemplateSummary,
  TemplateUpdate,
  TemplateView,
  UnsavedPreviewInput,
  VersionSummary,
  VersionView,
} from './schema.ts';

export type TemplateCategory = 'transactional' | 'marketing' | 'otp';
export type Data = Readonly<Record<string, unknown>>;
export type Scalar = string | number | boolean;

/** What the author says about a variable. */
export interface Declaration {
  /** Left out of the data, it is shown as nothing. */
  readonly optional?: boolean;
  /** Left out of the data, it is this. */
  readonly default?: Scalar;
  readonly description?: string;
  readonly example?: unknown;
}
export type Declarations = Readonly<Record<string, Declaration>>;

/** How a value is used: printed, formatted as a number or date, only asked for by a condition, looped over, entered. */
export type VariableKind = 'text' | 'number' | 'date' | 'flag' | 'list' | 'object';

/** What the engine found in the content. */
export interface Variable {
  /** The key of `data`. */
  readonly name: string;
  /** Printed somewhere outside every condition and loop, and neither optional nor with a default. */
  readonly required: boolean;
  readonly kind: VariableKind;
  readonly channels: readonly string[];
}

/** One immutable version. */
export interface TemplateVersion {
  readonly templateId: string;
  readonly versionId: string;
  readonly number: number;
  readonly tenantId: string;
  readonly slug: string;
  /** Channel → language → content with `{{variables}}`, completed by the channel. Do not change. */
  readonly content: Readonly<Record<string, Readonly<Record<string, Content>>>>;
  readonly declared: Declarations;
  readonly variables: readonly Variable[];
}

/** A version as a name stands for it now. The category belongs to the name: it may change without a new version. */
export interface ResolvedTemplate extends TemplateVersion {
  readonly category: TemplateCategory;
  /** Another version is being rolled out; `pick` says who gets it. */
  readonly candidate?: { readonly rolloutId: string; readonly percent: number; readonly template: ResolvedTemplate };
}

/** A rollout as whoever watches the messages of it needs to know it. */
export interface RunningRollout {
  /** Its messages and events have greater ids. */
  readonly id: string;
  readonly tenantId: string;
  readonly slug: string;
  /** Ids. */
  readonly versions: Readonly<Record<Side, string>>;
  readonly limit: FailureLimit;
  /** Of the last event that was counted. */
  readonly place: Place;
  readonly tally: Tally;
}

/** What was counted from one place in the feed of events to the next. */
export interface Counted {
  readonly place: Place;
  readonly counts: readonly (Count & { readonly mode: Mode; readonly side: Side })[];
}

/** One content of a version that is about to be used. */
export interface Use {
  readonly channel: string;
  /** As `pickLanguage` returned it. */
  readonly language: string;
}

export interface DataVerdict {
  /** Paths that would be printed and are not there: `name`, `items.0.price`. */
  readonly missing: readonly string[];
  /** Keys of the data that no used content and no declaration knows. */
  readonly unexpected: readonly string[];
  /** Values of the wrong kind: a list where a text is printed, a date that is none. Paths begin with `data.`. */
  readonly faults: readonly FieldFault[];
}

export interface RawVerdict {
  /** Keys of `data` that the content uses. */
  readonly wanted: readonly string[];
  readonly missing: readonly string[];
  readonly faults: readonly FieldFault[];
}

export interface Templates {
  /** The active version; at most 5 s old, at once after a change in this process. `undefined`: none of this name. */
  resolve(tenantId: string, slug: string): Soon<ResolvedTemplate | undefined>;
  /**
   * The version for one person, who is named by an address: always the same one while a rollout runs, and on raising its
   * share nobody goes back. Without a rollout, what was resolved.
   */
  pick<T extends ResolvedTemplate | undefined>(resolved: T, person: () => string | undefined): T | ResolvedTemplate;
  /** Versions by id, also of archived templates; ids that do not exist are absent. */
  versions(ids: readonly string[]): Promise<ReadonlyMap<string, TemplateVersion>>;
  /**
   * The first wanted language that has content, each tried exactly (`en-US` is `en_US`), then by its base (`en`), then as
   * any region of that base in alphabetical order. When nothing is wanted and there is one language, that one.
   */
  pickLanguage(version: TemplateVersion, channel: string, wanted: readonly (string | undefined)[]): string | undefined;
  /** `known`: keys that something else of the same request uses, such as a raw body for another channel. */
  judgeData(version: TemplateVersion, uses: readonly Use[], data: Data, known?: readonly string[]): DataVerdict;
  /** Throws `RenderError` when a variable is missing or wrong, or the result is too large. */
  render(version: TemplateVersion, use: Use, data: Data): Content;
  /** Raw mode: every `{{name}}` in the strings of a channel's own content, escaped as the channel asks. */
  renderRaw(channel: string, content: Content, data: Data): Content;
  /** Data against the names in raw content. Nothing is unexpected: what no name wants is kept with the message. */
  judgeRaw(channel: string, content: Content, data: Data): RawVerdict;
  /** The faults of rendered content against the channel's schema and its longest text. */
  contentFaults(channel: string, content: Content): readonly FieldFault[];
  /** Gives a new tenant the templates that ship with the product. Names it has already are left alone. */
  installStarters(trx: Sql, tenantId: string): Promise<void>;

  /** Newest first. */
  list(principal: Principal, page: Page): Promise<List<TemplateSummary>>;
  /** Throws `not_found`, as do all below. */
  get(principal: Principal, slug: string): Promise<TemplateView>;
  /** Throws `conflict` when the name is taken, `template_invalid`, `template_too_expensive`. An archived name may be used again. */
  create(principal: Principal, input: TemplateInput): Promise<TemplateView>;
  /** A new version, active at once unless it is a draft; none when nothing changed. Throws as `create`. */
  update(principal: Principal, slug: string, input: TemplateUpdate): Promise<TemplateView>;
  /** The name is free again; versions stay for the messages that used them. */
  archive(principal: Principal, slug: string): Promise<void>;
  listVersions(principal: Principal, slug: string, page: Page): Promise<List<VersionSummary>>;
  getVersion(principal: Principal, slug: string, number: number): Promise<VersionView>;
  /** Publishes a draft, or rolls back to a version by name. A rollout ends. */
  activate(principal: Principal, slug: string, number: number): Promise<TemplateView>;
  /** Starts a rollout or changes its share; 100 per cent completes it. Throws `conflict` when the state does not allow it. */
  rollOut(principal: Principal, slug: string, input: RolloutInput): Promise<RolloutView>;
  /** The one that runs, else the last; `undefined` when there never was one. Figures are those of the principal's mode. */
  rollout(principal: Principal, slug: string): Promise<RolloutView | undefined>;
  /** Ends the rollout that runs; without one, activates the version before. Throws `conflict` when there is none. */
  rollBack(principal: Principal, slug: string): Promise<TemplateView>;
  /** Of all tenants. */
  runningRollouts(): Promise<readonly RunningRollout[]>;
  /** Adds figures; rolls back and answers `true` when too many have failed. Who counted the same later is not heard. */
  tallyRollout(rollout: RunningRollout, counted: Counted): Promise<boolean>;
  /** Throws `template_channel_missing`, `template_language_missing`. */
  preview(principal: Principal, slug: string, input: PreviewInput): Promise<TemplatePreview>;
  /** Throws as `create`. */
  previewUnsaved(input: UnsavedPreviewInput): TemplatePreview;
}

export interface Page {
  readonly limit: number;
  readonly cursor?: string;
}
