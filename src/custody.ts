/** `carillon quarantine` and `carillon erase`: what the operator says at a terminal about data in custody. The verbs are the API's. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { Deps } from './deps.ts';
import { findTenant, tenantOption } from './tenants.ts';
import { out, outJson } from './terminal.ts';

type WithDeps = <T>(work: (deps: Deps) => Promise<T>) => Promise<T>;

interface Choice {
  all?: boolean;
  bulk?: string;
  before?: string;
  json?: boolean;
}
const OPERATOR = { kind: 'operator', id: 'operator' } as const;

export function quarantineCommand(withDeps: WithDeps): Command {
  const quarantine = new Command('quarantine').description('what a restored store had open, and waits for your word');
  quarantine
    .command('list')
    .description('what waits, by tenant and bulk')
    .option('--json', 'one JSON object')
    .action(({ json }: Choice) =>
      withDeps(async ({ custody }) => {
        await custody.check();
        const view = await custody.list();
        if (json) return outJson(view);
        if (!view.active && view.messages === 0) return out('Nothing waits.');
        if (view.messages === 0)
          return out(
            `Nothing waits any more, and what is new goes out. The mark of ${view.since} stays until you end it: carillon quarantine release --all`,
          );
        out(`${view.messages} message(s) wait since ${view.since}: ${view.reason}.`);
        for (const { tenant_id, bulk_id, messages, in_flight, oldest_at, newest_at } of view.groups)
          out(
            `  ${tenant_id}  ${(bulk_id ?? 'single messages').padEnd(30)}  ${String(messages).padStart(8)}  accepted ${oldest_at} to ${newest_at}${in_flight > 0 ? `; ${in_flight} were being handed over` : ''}`,
          );
        if (view.has_more) out('  and more than these: release or discard some of them to see the others.');
        out(
          'release lets them go out, discard fails them: --bulk <id>, --before <time> or --all, which ends the quarantine.',
        );
      }),
    );
  for (const [verb, description] of [
    ['release', 'let it go out'],
    ['discard', 'fail it, and never send it'],
  ] as const)
    quarantine
      .command(verb)
      .description(description)
      .option('--all', 'everything; ends the quarantine')
      .option('--bulk <id>', 'what is of this bulk')
      .option('--before <time>', 'what was accepted before this time, such as 2026-12-01T09:00:00Z')
      .option('--json', 'one JSON object')
      .action(async ({ all, bulk, before, json }: Choice) => {
        if ([all, bulk, before].filter(Boolean).length !== 1)
          throw new Error(
            `Say what to ${verb}: --bulk <id>, --before <time>, or --all, which also ends the quarantine. carillon quarantine list shows what waits.`,
          );
        await withDeps(async ({ custody }) => {
          const { messages } = await custody[verb](OPERATOR, {
            ...(all ? { all } : {}),
            ...(bulk ? { bulk_id: bulk } : {}),
            ...(before ? { before: timeOf(before) } : {}),
          });
          if (json) return outJson({ messages });
          const after = await custody.list();
          out(
            `${messages} message(s) ${verb === 'release' ? 'may go out now' : 'count as failed and will not be sent'}. ${leftOf(after)}`,
          );
        });
      });
  quarantine
    .command('begin')
    .description('hold everything that is open: for a restore that leaves no trace, such as a disk put back as a whole')
    .action(() =>
      withDeps(async ({ custody }) => {
        const { messages } = await custody.begin(OPERATOR);
        out(
          messages === 0
            ? 'Nothing was open, so nothing waits. carillon quarantine release --all ends it.'
            : `${messages} message(s) are held and wait for your word: carillon quarantine list`,
        );
      }),
    );
  return quarantine;
}

const leftOf = ({ active, messages }: { active: boolean; messages: number }): string =>
  messages > 0
    ? `${messages} still wait.`
    : active
      ? 'Nothing else waits; carillon quarantine release --all ends the quarantine.'
      : 'The quarantine is over.';

export function eraseCommand(withDeps: WithDeps): Command {
  return new Command('erase')
    .description('take a person out of the data of a tenant')
    .addOption(tenantOption('whose data'))
    .requiredOption('--to <field=value...>', 'an address, named as in a send: phone=+14155550123')
    .option('--test', 'from the test data; default: the live data')
    .option('--json', 'one JSON object')
    .action(({ tenant, to, test, json }: { tenant: string; to: string[]; test?: boolean; json?: boolean }) =>
      withDeps(async (deps) => {
        const { audit, db, erasures } = deps;
        await findTenant(deps, tenant);
        const tenantId = tenant;
        const mode = test ? 'sandbox' : 'live';
        const principal = { tenantId, mode, scopes: ['manage'], actor: OPERATOR } as const;
        let erasure = await erasures.erase(principal, { recipient: Object.fromEntries(to.map(fieldOf)) });
        await audit.record(db, { tenantId, actor: OPERATOR, action: 'recipient.erased', target: erasure.id });
        while (erasure.status === 'running') {
          if (erasure.failure) throw new Error(`The erasure ${erasure.id} does not go on: ${erasure.failure}.`);
          if ((await erasures.work()) === 0) await delay(500);
          erasure = await erasures.get(principal, erasure.id);
        }
        const { messages, cancelled, mentions } = erasure.counts;
        if (json) outJson(erasure);
        else
          out(
            `Erased: ${messages} message(s), of which ${cancelled} will not be sent; ${mentions} other row(s) lost the address.`,
          );
      }),
    );
}

function fieldOf(pair: string): [string, string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new Error(`--to ${pair}: write it as field=value, such as phone=+14155550123.`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function timeOf(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new Error(`${text} is not a time; write it as 2026-12-01T09:00:00Z.`);
  return new Date(time).toISOString();
}
