/**
 * Watches for tenants that have rules: reads on in the feed, so that the cost is that of the news and not of the history,
 * counts by the minute, and judges each rule over its window. A breach is one alert, with its event in the same transaction;
 * its targets are told afterwards, and again after a crash, by messages that have a key.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { newId, toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Mail } from '../../lib/mail.ts';
import type { Events } from '../events/index.ts';
import { hashOf } from '../idempotency/index.ts';
import { countMinutes, MINUTE_PAGE, type MinuteCount, type SendBody, type Verbs } from '../notifications/index.ts';
import type { Webhooks } from '../webhooks/index.ts';
import { inWords, isBreach, isOver, kindOf, measured } from './metrics.ts';
import type { Target } from './schema.ts';
import * as store from './store.ts';
import { showAlert } from './view.ts';

export interface WatchDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly notifications: Pick<Verbs, 'send' | 'validate'>;
  readonly webhooks: Pick<Webhooks, 'failuresInRow'>;
  readonly mail: Mail | undefined;
  readonly publicUrl: () => string;
  /** Milliseconds between two looks at a tenant. Default 30,000. */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 30_000;
const RULES_MOST = 100;
/** Pages of the feed that are read in one transaction. */
const PAGES = 10;

/** As who an alert is sent. */
export const sender = (tenantId: string, mode: Principal['mode'], at: Date) => ({
  principal: { tenantId, mode, scopes: ['send'] as const, actor: { kind: 'operator', id: 'carillon' } as const },
  ...{ ip: '', requestId: toWire('request', newId()), at },
});

/** Some channels want a subject, and the others refuse it. */
export const bodiesFor = (
  { channel = '', recipient = {} }: Target,
  subject: string,
  body: string,
): readonly SendBody[] =>
  [{ subject, body }, { body }].map(
    (words) => ({ recipient, notification: { channels: [channel], ...words } }) as unknown as SendBody,
  );

export function createWatch({
  db,
  clock,
  log,
  events,
  notifications,
  webhooks,
  mail,
  publicUrl,
  everyMs = EVERY_MS,
}: WatchDeps) {
  /** Returns how many watches were looked at; 0 when it is time for none. */
  const judge = (): Promise<number> =>
    db.transaction(async (trx) => {
      const watch = await store.takeWatch(trx, everyMs);
      if (!watch) return 0;
      const { tenantId, mode } = watch;
      const rules = (await store.listAlertRules(trx, tenantId, mode, RULES_MOST, undefined)).filter(
        (rule) => rule.enabled,
      );
      if (await readOn(trx, watch, rules)) await judgeAll(trx, watch, rules);
      return 1;
    });

  /** False: there is more to be read. */
  async function readOn(trx: Sql, watch: store.Watch, rules: readonly store.AlertRuleRow[]): Promise<boolean> {
    let after = { position: watch.position, id: watch.eventId };
    for (let pages = 1; ; pages++) {
      const { size, place, counts } = await countMinutes(trx, { tenantId: watch.tenantId, mode: watch.mode, after });
      const tallies = rules.flatMap((rule) => counts.filter((one) => isOf(rule, one)).map((one) => tallyOf(rule, one)));
      if (tallies.length > 0) await store.addTallies(trx, tallies);
      after = place ?? after;
      const isEnd = size < MINUTE_PAGE;
      if (!isEnd && pages < PAGES) continue;
      await store.moveWatch(trx, watch, after, isEnd);
      return isEnd;
    }
  }

  async function judgeAll(
    trx: Sql,
    { tenantId, mode }: store.Watch,
    rules: readonly store.AlertRuleRow[],
  ): Promise<void> {
    const sums = await store.sumWindows(trx, tenantId, mode);
    const open = await store.openAlerts(trx, tenantId, mode);
    const failures = await webhooks.failuresInRow(trx, tenantId, mode);
    for (const rule of rules) {
      const own = new Map(sums.filter(({ ruleId }) => ruleId === rule.id).map(({ kind, count }) => [kind, count]));
      const { value, of } =
        rule.metric === 'endpoint_failures' ? { value: failures, of: rule.minMessages } : measured(rule.metric, own);
      if (open.has(rule.id)) {
        const ended = isOver(value, rule.threshold) ? await store.endAlert(trx, rule.id) : undefined;
        if (ended) await events.emit(trx, [{ tenantId, mode, type: 'alert.recovered', data: showAlert(ended) }]);
      } else if (value !== undefined && of >= rule.minMessages && isBreach(value, rule.threshold)) {
        const fired = await store.insertAlert(trx, newId(), rule, value);
        if (fired) await events.emit(trx, [{ tenantId, mode, type: 'alert.fired', data: showAlert(fired) }]);
      }
    }
  }

  /** Tells the targets of one alert; returns how many alerts, 0 when there is none. */
  async function tell(): Promise<number> {
    const alert = await db.transaction(async (trx) => {
      const taken = await store.takeUntold(trx);
      if (!taken?.untold) return undefined;
      for (const [index, target] of taken.targets.entries())
        if (target.email === undefined)
          await send(taken, `${toWire('alert', taken.id)}-${taken.untold}-${index}`, target);
      await store.markTold(trx, taken.id);
      return taken;
    });
    for (const { email } of alert?.targets ?? []) if (alert && email !== undefined) post(email, wordsOf(alert));
    return alert ? 1 : 0;
  }

  const post = (to: string, { subject, text }: Words): void =>
    mail?.post({
      to,
      name: 'alert',
      words: { subject, text, site: new URL(publicUrl()).host, link: `${publicUrl()}/portal` },
    });

  async function send(alert: store.AlertRow, key: string, target: Target): Promise<void> {
    const { tenantId, mode, id } = alert;
    const { subject, text } = wordsOf(alert);
    let answer: unknown;
    for (const body of bodiesFor(target, subject, `${subject}. ${text}`)) {
      const command = { body, idempotencyKey: key, requestHash: hashOf('alert', body), bytes: 0 };
      [answer] = await notifications.send(sender(tenantId, mode, clock.now()), [command]);
      if (!(answer instanceof ApiError)) return;
    }
    log.warn({ err: answer, alert: toWire('alert', id) }, 'an alert could not be sent to one of its targets');
  }

  return async (): Promise<number> => (await judge()) + (await tell());
}

type Words = ReturnType<typeof inWords>;
const wordsOf = (alert: store.AlertRow): Words => inWords(alert.untold ?? 'fired', showAlert(alert));

const isOf = ({ channel, template }: store.AlertRuleRow, one: MinuteCount): boolean =>
  (channel === null || channel === one.channel) && (template === null || template === one.template);
const tallyOf = ({ id }: store.AlertRuleRow, one: MinuteCount): store.Tally => ({
  ...{ ruleId: id, minute: one.minute, kind: kindOf(one), count: one.count },
});
