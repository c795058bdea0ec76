/** The shapes of a draft. */
export interface Timing {
  /** Local times such as 2026-12-01T09:00. Absent: at once. */
  readonly at?: string;
  /** `recipient`, or an IANA zone. */
  readonly time_zone?: string;
  readonly quiet_from?: string;
  readonly quiet_to?: string;
}

export interface NewDraft {
  readonly name: string;
  readonly template_id: string;
  readonly channels: readonly string[];
  readonly priority: string;
  /** Of the file; absent when the rows were pasted. */
  readonly file?: string;
}

export interface Settings extends NewDraft {
  /** By place; '' is not read. */
  readonly columns: readonly string[];
  /** For rows that name none. */
  readonly language?: string;
  readonly timing: Timing;
  /** The person has seen what the columns are taken for. */
  readonly mapped: boolean;
}
