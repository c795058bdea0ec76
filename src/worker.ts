/**
 * The working side: listens for the doorbell, looks for itself every second, and keeps the house once an hour. A ring that is
 * lost costs a second, never a message.
 */
import type { Deps } from './deps.ts';

export interface Working {
  /** No new work; what is under way may finish, at most so long. */
  stop(withinMs: number): Promise<void>;
}

const SWEEP_MS = 1_000;
const HOUR_MS = 3_600_000;

export async function startWorker({
  alerts,
  audit,
  config,
  bulks,
  campaigns,
  conversations,
  db,
  erasures,
  idempotency,
  inbound,
  limits,
  log,
  media,
  notifications,
  queues,
  replies,
  sandbox,
  webhooks,
}: Deps): Promise<Working> {
  const applied = runner('inbound', async () => {
    const read = await inbound.apply();
    // What providers have said is what endpoints wait for; the rest is found by the sweep.
    if (read > 0 && !isStopping) {
      void told();
      void fetched();
      void answered();
    }
    return read;
  });
  const fetched = runner('media', media.fetch);
  const answered = runner('auto-replies', replies.work);
  const played = runner('outbox', sandbox.play);
  const swept = runner('receipts', notifications.receipts.sweep);
  const cancelled = runner('bulks', bulks.cancelSome);
  const ended = runner('ended bulks', bulks.tellEnded);
  const watched = runner('rollouts', notifications.watchRollouts);
  const alerted = runner('alerts', alerts.watch);
  const erased = runner('erasures', erasures.work);
  const tended = runner('erased', () => erasures.tend());
  const sealed = runner('audit', audit.seal);
  const delivered = runner('deliveries', () => webhooks.deliver(deliverMore));
  const told = runner('endpoints', async () => {
    const moved = await webhooks.fanOut();
    if (moved > 0) deliverMore();
    return moved;
  });
  const keepHouse = runner('housekeeping', async () => {
    const dropped = (await notifications.purge(config.retentionDays)) + (await inbound.purge(config.retentionDays));
    if (dropped > 0) log.info({ partitions: dropped }, 'dropped what is older than RETENTION_DAYS');
    await db.query('select ensure_all_partitions()');
    await idempotency.purge();
    await limits.purge();
    await bulks.purge();
    await campaigns.purge();
    await erasures.purge();
    await alerts.purge(config.retentionDays);
    await webhooks.purge(config.retentionDays);
    await conversations.purge(config.retentionDays);
    return 0;
  });

  let isStopping = false;
  function deliverMore(): void {
    if (!isStopping) void delivered();
  }
  /** One run at a time; a call during a run makes it run once more; a full batch is followed by the next. */
  function runner(name: string, work: () => Promise<number>): { (): Promise<void>; idle(): Promise<void> } {
    let current: Promise<void> | undefined;
    let again = false;
    const run = async (): Promise<void> => {
      do {
        again = false;
        try {
          while ((await work()) > 0 && !isStopping);
        } catch (error) {
          log.warn({ err: error, job: name }, 'a job failed; it is tried again at the next tick');
        }
      } while (again && !isStopping);
    };
    const start = (): Promise<void> => {
      if (current) again = true;
      else
        current = run().finally(() => {
          current = undefined;
        });
      return current ?? Promise.resolve();
    };
    return Object.assign(start, { idle: () => current ?? Promise.resolve() });
  }

  await keepHouse();
  notifications.dispatcher.start();
  const sweep = () => {
    void applied();
    void fetched();
    void answered();
    void played();
    void swept();
    void cancelled();
    void ended();
    void watched();
    void alerted();
    void erased();
    void tended();
    void sealed();
    void told();
    void delivered();
  };
  const timer = setInterval(sweep, SWEEP_MS);
  sweep();
  const listener = await queues.listen(
    { due: () => notifications.dispatcher.wake(), inbound: applied, outbox: played, housekeeping: keepHouse },
    { housekeeping: HOUR_MS },
  );

  return {
    async stop(withinMs) {
      isStopping = true;
      clearInterval(timer);
      await Promise.all([
        listener.close(),
        webhooks.stop(withinMs),
        notifications.dispatcher.stop(withinMs),
        applied.idle(),
        fetched.idle(),
        answered.idle(),
        played.idle(),
        swept.idle(),
        cancelled.idle(),
        ended.idle(),
        watched.idle(),
        alerted.idle(),
        erased.idle(),
        tended.idle(),
        sealed.idle(),
        told.idle(),
        delivered.idle(),
        keepHouse.idle(),
      ]);
    },
  };
}
