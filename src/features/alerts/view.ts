/** Rules and alerts as the API and events show them. Pure. */
import { toWire } from '../../lib/ids.ts';
import type { AlertItem, AlertRuleItem } from './schema.ts';
import type { AlertRow, AlertRuleRow } from './store.ts';

export const showRule = (row: AlertRuleRow): AlertRuleItem => ({
  id: toWire('alertRule', row.id),
  object: 'alert_rule',
  livemode: row.mode === 'live',
  name: row.name,
  enabled: row.enabled,
  metric: row.metric,
  threshold: row.threshold,
  window_minutes: row.windowMinutes,
  min_messages: row.minMessages,
  channel: row.channel,
  template_id: row.template,
  targets: [...row.targets],
  created_at: row.createdAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
});

export const showAlert = (row: AlertRow): AlertItem => ({
  id: toWire('alert', row.id),
  object: 'alert',
  livemode: row.mode === 'live',
  alert_rule_id: toWire('alertRule', row.ruleId),
  name: row.name,
  metric: row.metric,
  threshold: row.threshold,
  value: row.value,
  status: row.recoveredAt === null ? 'open' : 'recovered',
  fired_at: row.firedAt.toISOString(),
  recovered_at: row.recoveredAt?.toISOString() ?? null,
});
