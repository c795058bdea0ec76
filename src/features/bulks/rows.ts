/**
 * Rows in, messages and errors out: thousands at a time, each judged by the rules that a single send is judged by. A bad row
 * is told by its index and field, and keeps no other back.
 */
import type { ApiError, ErrorCode } from '../../lib/errors.ts';
import type { Validator } from '../../lib/schema.ts';
import {
  bindSheaf,
  type Codes,
  type Origin,
  type Plan,
  type Planner,
  refusalOf,
  type SendBody,
  type SendCommand,
  type Sheaf,
} from '../notifications/index.ts';
import type { Shared } from './shared.ts';
import { type Timing, timingOf } from './timing.ts';

export interface RowFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** What was read of one row. */
export interface Row {
  /** Counted from 0. */
  readonly index: number;
  readonly value?: unknown;
  readonly fault?: RowFault;
}

export interface Assessed {
  /** The good ones, ready to be stored. */
  readonly sheaf: Sheaf;
  /** Row and notification, for an answer that tells of each. */
  readonly accepted: readonly (readonly [row: number, notificationId: string])[];
  readonly faults: readonly { readonly row: number; readonly error: RowFault }[];
  /** When the first of them is due, if every one has a time. */
  readonly earliest: Date | undefined;
  /** One-time codes that were counted for them; to be given back when they are not stored. */
  readonly codes: readonly Plan[];
}

export interface JudgeDeps {
  readonly plan: Planner;
  readonly row: Validator<never>;
}

export interface AssessDeps extends JudgeDeps {
  readonly codes: Codes;
}

interface RowValue extends Record<string, unknown> {
  data?: Record<string, unknown>;
  language?: string;
  time_zone?: string;
}

/** Rows planned together without letting anything else have its turn. */
const SLICE = 1_000;

/** Judges each row; a good one is taken, the faults of the others are returned. */
export async function judgeRows(
  { plan, row: validator }: JudgeDeps,
  origin: Origin,
  shared: Shared,
  rows: readonly Row[],
  take: (row: number, plan: Plan, timing: Timing) => void,
  /** Counts what is going to be stored, and says what may not be. */
  bar?: Codes['bar'],
): Promise<Assessed['faults']> {
  const timing = timingOf(shared, origin.at);
  const faults: { row: number; error: RowFault }[] = [];
  for (let from = 0; from < rows.length; from += SLICE) {
    if (from > 0) await new Promise((resolve) => setImmediate(resolve));
    const commands: SendCommand[] = [];
    const meant: { row: number; timing: Timing }[] = [];
    for (const { index, value, fault } of rows.slice(from, from + SLICE)) {
      const error = fault ?? schemaFault(validator, value);
      const when = error ? undefined : timing((value as RowValue).time_zone);
      if (error) faults.push({ row: index, error });
      else if (!when) faults.push({ row: index, error: NO_ZONE });
      else {
        commands.push(commandOf(value as RowValue, shared, when));
        meant.push({ row: index, timing: when });
      }
    }
    const plans = await plan(origin, commands);
    const barred = await bar?.(origin.principal.tenantId, plans);
    for (let i = 0; i < plans.length; i++) {
      const { row, timing: when } = meant[i] as (typeof meant)[number];
      const planned = plans[i] as (typeof plans)[number];
      const refusal = refusalOf(planned.request) ?? barred?.[i];
      if (!refusal) take(row, planned, when);
      else {
        const { code, message, param, details } = refusal;
        faults.push({
          row,
          error: {
            code,
            message: inRow(message),
            ...(param ? { param: inRow(param) } : {}),
            ...(details ? { details: code === 'validation_failed' ? fieldsInRow(details) : details } : {}),
          },
        });
      }
    }
  }
  return faults.sort((a, b) => a.row - b.row);
}

export async function assess(
  deps: AssessDeps,
  origin: Origin,
  shared: Shared,
  rows: readonly Row[],
  { bulkId, afterId }: { readonly bulkId: string; readonly afterId: string },
): Promise<Assessed> {
  const sheaf = bindSheaf(bulkId, afterId);
  const accepted: [number, string][] = [];
  let earliest: Date | undefined;
  let allTimed = true;
  const take = (row: number, { messages, notificationId }: Plan, { quiet, sendAt }: Timing): void => {
    // @crash K12: some rows of a bulk are judged, and none of these is stored
    sheaf.add(row, messages, quiet);
    accepted.push([row, notificationId]);
    if (!sendAt) allTimed = false;
    else if (!earliest || sendAt < earliest) earliest = sendAt;
  };
  const codes: Plan[] = [];
  const bar: Codes['bar'] = async (tenantId, plans) => {
    const barred = await deps.codes.bar(tenantId, plans);
    if (barred) codes.push(...plans.filter((plan, index) => !barred[index] && !refusalOf(plan.request)));
    return barred;
  };
  try {
    const faults = await judgeRows(deps, origin, shared, rows, take, bar);
    return { sheaf, accepted, faults, codes, earliest: allTimed ? earliest : undefined };
  } catch (error) {
    await giveBack(deps, codes);
    throw error;
  }
}

/** What is not given back is free again after an hour. */
export const giveBack = async ({ codes }: Pick<AssessDeps, 'codes'>, plans: readonly Plan[]): Promise<void> => {
  if (plans.length > 0) await codes.giveBack(plans).catch(() => undefined);
};

const NO_ZONE: RowFault = {
  code: 'validation_failed',
  message: 'time_zone: is not an IANA time zone such as Europe/Berlin',
  param: 'time_zone',
};

/** In a row, fields stand without what a single send would put them into. */
const inRow = (text: string): string => text.replace(/\b(notification|recipient)\./g, '');
const fieldsInRow = (details: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  JSON.parse(inRow(JSON.stringify(details)));

function schemaFault(validator: Validator<never>, value: unknown): RowFault | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { code: 'malformed_row', message: 'The row is not a JSON object.' };
  const fields = validator.faults(value);
  const [first] = fields;
  return first
    ? { code: 'validation_failed', message: `${first.path}: ${first.message}`, param: first.path, details: { fields } }
    : undefined;
}

/** A refusal that was thrown while a row was read. */
export const faultOf = ({ code, message, param, details }: ApiError): RowFault => ({
  code: code === 'validation_failed' ? code : 'malformed_row',
  message,
  ...(param === undefined ? {} : { param }),
  ...(details === undefined ? {} : { details }),
});

function commandOf(value: RowValue, { notification }: Shared, { sendAt }: Timing): SendCommand {
  const recipient: Record<string, string> = {};
  for (const name in value)
    if (name !== 'data' && name !== 'language' && name !== 'time_zone') recipient[name] = value[name] as string;
  const { data, language } = value;
  let said = notification;
  if (data || language || sendAt || notification.send_at) {
    said = { ...notification };
    if (data) said.data = notification.data ? { ...notification.data, ...data } : data;
    if (language) said.language = language;
    if (sendAt) said.send_at = sendAt.toISOString();
    else delete said.send_at;
  }
  return { body: { recipient, notification: said } satisfies SendBody, ...UNKEYED };
}
const UNKEYED = { idempotencyKey: undefined, requestHash: '', bytes: 0 } as const;
