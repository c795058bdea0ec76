/** `carillon tenant`, and how every command that works for one tenant is told which. */
import { Command, Option } from 'commander';
import type { Deps } from './deps.ts';
import { fromWire, toWire } from './lib/ids.ts';
import { out, outJson } from './terminal.ts';

type WithDeps = <T>(work: (deps: Deps) => Promise<T>) => Promise<T>;
type Limits = Awaited<ReturnType<Deps['tenants']['limits']>>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `--tenant`, by the id that is shown everywhere (`ten_…`) or the one of the store. Gives the one of the store. */
export const tenantOption = (meaning: string): Option =>
  new Option('--tenant <id>', `${meaning}: ten_…, as carillon tenant list shows it`)
    .makeOptionMandatory()
    .argParser(readTenantId);

export function readTenantId(text: string): string {
  const id = fromWire('tenant', text) ?? (UUID.test(text) ? text.toLowerCase() : undefined);
  if (id === undefined)
    throw new Error(
      `--tenant ${text}: is not the id of a tenant. It looks like ten_01…; carillon tenant list shows them.`,
    );
  return id;
}

/** Throws, in one line, for a tenant that does not exist. */
export async function findTenant({ tenants }: Pick<Deps, 'tenants'>, id: string): Promise<Limits> {
  return tenants.limits(id).catch((error: { code?: string }) => {
    if (error.code !== 'not_found') throw error;
    throw new Error(`There is no tenant ${toWire('tenant', id)}; carillon tenant list shows them.`);
  });
}

/** An option that is a number; what it may be is judged where it is used. */
export const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new Error(`${text} is not a number.`);
  return value;
};

interface Create {
  name: string;
  country?: string;
  language?: string;
  json?: boolean;
}

interface Change {
  tenant: string;
  requests?: number;
  seconds?: number;
  otpPerHour?: number;
  default?: boolean;
  json?: boolean;
}

export function tenantCommand(withDeps: WithDeps): Command {
  const tenant = new Command('tenant').description('the accounts of this installation');
  tenant
    .command('create')
    .description('make a tenant and its first keys')
    .requiredOption('--name <name>', 'its name')
    .option('--country <code>', 'default country of phone numbers, such as DE')
    .option('--language <tag>', 'default language, such as en')
    .option('--json', 'one JSON object')
    .action((options: Create) => withDeps((deps) => create(deps, options)));
  tenant
    .command('list')
    .description('every tenant, newest first, with the limits that are its own')
    .option('--json', 'one JSON object')
    .action(({ json }: { json?: boolean }) => withDeps((deps) => list(deps, json === true)));
  tenant
    .command('limits')
    .description('show what a tenant may ask for, and change what is named')
    .addOption(tenantOption('whose'))
    .option('--requests <n>', 'requests, and rows of bulks, within the seconds', number)
    .option('--seconds <n>', 'default: as it is, else 60', number)
    .option('--otp-per-hour <n>', 'live one-time codes to one address; 0 is no limit', number)
    .option('--default', 'back to what the installation gives everybody')
    .option('--json', 'one JSON object')
    .action((options: Change) => withDeps((deps) => limits(deps, options)));
  return tenant;
}

async function create({ tenants }: Deps, { name, country, language, json }: Create): Promise<void> {
  const { item, liveKey, testKey } = await tenants.create({
    name,
    ...(country ? { defaultCountry: country } : {}),
    ...(language ? { defaultLanguage: language } : {}),
  });
  if (json) outJson({ tenant_id: item.id, name: item.name, live_key: liveKey, test_key: testKey });
  else
    out(
      `Tenant    ${item.name} (${item.id})\nLive key  ${liveKey}\nTest key  ${testKey}\nThe keys are shown this once.`,
    );
}

const PAGE = 100;

async function list({ tenants }: Deps, json: boolean): Promise<void> {
  const all: object[] = [];
  let cursor: string | undefined;
  do {
    const page = await tenants.list({ limit: PAGE, cursor });
    for (const { id, name, created_at } of page.data) {
      const { rate_limit: rate, otp_per_hour: codes, own } = await tenants.limits(id);
      const ownRate = own.rate_limit ? rate : null;
      const ownCodes = own.otp_per_hour ? codes : null;
      all.push({ id, name, created_at, rate_limit: ownRate, otp_per_hour: ownCodes });
      const said = [
        ...(ownRate ? [`${ownRate.requests} requests in ${ownRate.seconds} s`] : []),
        ...(ownCodes === null ? [] : [codesOf(ownCodes)]),
      ];
      if (!json) out(`${id}  ${created_at.slice(0, 10)}  ${name}${said.length > 0 ? `  (${said.join(', ')})` : ''}`);
    }
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  if (json) outJson({ tenants: all });
  else if (all.length === 0) out('There is no tenant yet. Make one with: carillon tenant create --name "My company"');
}

async function limits(deps: Deps, options: Change): Promise<void> {
  const { tenant: id, otpPerHour, default: reset, json } = options;
  const before = await findTenant(deps, id);
  const rate = reset && options.requests === undefined ? undefined : rateOf(options, before);
  const change = {
    ...(reset ? { rate_limit: null, otp_per_hour: null } : {}),
    ...(rate ? { rate_limit: rate } : {}),
    ...(otpPerHour === undefined ? {} : { otp_per_hour: otpPerHour }),
  };
  const now = Object.keys(change).length > 0 ? await deps.tenants.limit(id, change) : before;
  const whose = (isOwn: boolean) => (isOwn ? '' : ' (as everybody)');
  if (json) return outJson(now);
  const shown = now.rate_limit ? `${now.rate_limit.requests} in ${now.rate_limit.seconds} s` : 'no limit';
  out(
    `Requests  ${shown}${whose(now.own.rate_limit)}\nCodes     ${codesOf(now.otp_per_hour)}${whose(now.own.otp_per_hour)}`,
  );
}

/** What is not named stays as it is. */
function rateOf({ requests, seconds }: Change, { rate_limit: now, own }: Limits) {
  if (requests === undefined && seconds === undefined) return undefined;
  if (requests === undefined && !now)
    throw new Error('--seconds alone says too little: this tenant has no limit yet. Say --requests as well.');
  return { requests: requests ?? now?.requests ?? 0, seconds: seconds ?? (own.rate_limit ? now?.seconds : 60) ?? 60 };
}

const codesOf = (perHour: number): string => (perHour === 0 ? 'no limit' : `${perHour} an hour to one address`);
