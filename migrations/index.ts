/** The migrations in order. Names stand here without an ending; see README.md for the rules. */
import * as m0001 from './0001_create_clock.ts';
import * as m0002 from './0002_create_tenants.ts';
import * as m0003 from './0003_create_audit.ts';
import * as m0004 from './0004_create_idempotency.ts';
import * as m0005 from './0005_create_connections.ts';
import * as m0006 from './0006_create_templates.ts';
import * as m0007 from './0007_create_messages.ts';
import * as m0008 from './0008_create_inbound.ts';
import * as m0009 from './0009_create_outbox.ts';
import * as m0010 from './0010_isolate_tenants.ts';
import * as m0011 from './0011_open_attempts_in_due.ts';
import * as m0012 from './0012_create_bulks.ts';
import * as m0013 from './0013_create_rollouts.ts';
import * as m0014 from './0014_limit_connections.ts';
import * as m0015 from './0015_add_quiet_hours.ts';
import * as m0016 from './0016_link_retries.ts';
import * as m0017 from './0017_add_fallback.ts';
import * as m0018 from './0018_create_campaign_drafts.ts';
import * as m0019 from './0019_tell_health.ts';
import * as m0020 from './0020_create_limits.ts';
import * as m0021 from './0021_create_custody.ts';
import * as m0022 from './0022_create_erasures.ts';
import * as m0023 from './0023_chain_audit.ts';
import * as m0024 from './0024_keep_root.ts';
import * as m0025 from './0025_place_events.ts';
import * as m0026 from './0026_create_endpoints.ts';
import * as m0027 from './0027_create_suppressions.ts';
import * as m0028 from './0028_create_conversations.ts';
import * as m0029 from './0029_route_events.ts';
import * as m0030 from './0030_create_alerts.ts';
import * as m0031 from './0031_create_auto_replies.ts';

export const migrations = [
  { name: '0001_create_clock', ...m0001 },
  { name: '0002_create_tenants', ...m0002 },
  { name: '0003_create_audit', ...m0003 },
  { name: '0004_create_idempotency', ...m0004 },
  { name: '0005_create_connections', ...m0005 },
  { name: '0006_create_templates', ...m0006 },
  { name: '0007_create_messages', ...m0007 },
  { name: '0008_create_inbound', ...m0008 },
  { name: '0009_create_outbox', ...m0009 },
  { name: '0010_isolate_tenants', ...m0010 },
  { name: '0011_open_attempts_in_due', ...m0011 },
  { name: '0012_create_bulks', ...m0012 },
  { name: '0013_create_rollouts', ...m0013 },
  { name: '0014_limit_connections', ...m0014 },
  { name: '0015_add_quiet_hours', ...m0015 },
  { name: '0016_link_retries', ...m0016 },
  { name: '0017_add_fallback', ...m0017 },
  { name: '0018_create_campaign_drafts', ...m0018 },
  { name: '0019_tell_health', ...m0019 },
  { name: '0020_create_limits', ...m0020 },
  { name: '0021_create_custody', ...m0021 },
  { name: '0022_create_erasures', ...m0022 },
  { name: '0023_chain_audit', ...m0023 },
  { name: '0024_keep_root', ...m0024 },
  { name: '0025_place_events', ...m0025 },
  { name: '0026_create_endpoints', ...m0026 },
  { name: '0027_create_suppressions', ...m0027 },
  { name: '0028_create_conversations', ...m0028 },
  { name: '0029_route_events', ...m0029 },
  { name: '0030_create_alerts', ...m0030 },
  { name: '0031_create_auto_replies', ...m0031 },
];
