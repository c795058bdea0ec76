/**
 * One limit as one process sees it. The store holds what is left of it; a process holds what it has leased, and may go into
 * debt by a part of its share of what it last heard to be left there. Whatever was spent is settled at the next talk with the store,
 * which happens in the background: nobody who spends waits for it.
 *
 * A process that is alone counts the store's part as its own, so that one process is exact. While the store cannot be asked,
 * every process goes on with its share of the refill.
 */

/** So many requests, refilled evenly over so many seconds; up to all of them may come at once. */
export interface Limit {
  readonly requests: number;
  readonly seconds: number;
}

/** From two columns. */
export const rateOf = (requests: number | null, seconds: number | null): Limit | null =>
  requests === null || seconds === null ? null : { requests, seconds };

/** What the store answers. */
export interface Grant {
  readonly granted: number;
  /** What stays in the store; below zero when more was spent than there was. */
  readonly left: number;
  /** Processes that share the bucket, this one included. */
  readonly members: number;
}

/** Of a bucket for the store. */
export interface Ask {
  /** All of it goes back; a debt is paid. */
  readonly held: number;
  readonly want: number;
  /** Given whole where there is as much, whatever the share of a process. */
  readonly least: number;
}

/** The smallest lease, as a part of the whole. */
const BLOCK = 1 / 50;

export class Bucket {
  #requests = Number.POSITIVE_INFINITY;
  #perMs = 0;
  #held = 0;
  #left = 0;
  /** When `left` was true, with the refill that was added since. */
  #at: number;
  /** `left` without the refill. */
  #heard = 0;
  #talkedAt: number;
  #members = 1;
  /** Since the last talk, with what was refused. */
  #spent = 0;
  #wanted = 0;
  /** By somebody who waits for it. */
  #needed = 0;
  #known = false;
  /** The store does not answer. */
  #isAlone = false;

  constructor(limit: Limit, now: number) {
    this.#at = now;
    this.#talkedAt = now;
    this.#left = limit.requests;
    this.change(limit, now);
  }

  /** What there is stays, as far as the new limit reaches. */
  change({ requests, seconds }: Limit, now: number): void {
    this.#fill(now);
    this.#requests = requests;
    this.#perMs = requests / (seconds * 1_000);
    this.#held = Math.min(this.#held, requests);
    this.#left = Math.min(this.#left, this.#room());
  }

  /** Before the first answer it is believed to be full. */
  get isKnown(): boolean {
    return this.#known;
  }
  /** Has something to settle or to give back. */
  get isStirred(): boolean {
    return this.#spent > 0 || this.#held !== 0;
  }
  /** Should ask before its turn. */
  get isLow(): boolean {
    return !this.#known || (this.#members > 1 && this.#held < this.#wanted / 2);
  }
  /** In which the store gains a request, which is how long asking again is of no use. */
  get stepMs(): number {
    return 1 / this.#perMs;
  }

  /**
   * False: not that much is left, and nothing was spent. What costs more than the whole needs all of it, and owes the rest.
   * `paid` is what the same request has spent before: without it nobody could ever find the whole.
   */
  spend(cost: number, now: number, paid = 0): boolean {
    // Refills add up out of fractions.
    if (this.#mine(now) + 1e-6 < this.#needs(cost, paid)) {
      this.#spent += cost;
      return false;
    }
    this.owe(cost, now);
    return true;
  }

  /** Spends what is done already. */
  owe(cost: number, now: number): void {
    this.#fill(now);
    this.#held -= cost;
    this.#spent += cost;
  }

  /** Milliseconds until so much may be spent, if nobody else comes; 0: now. */
  waitMs(cost: number, now: number): number {
    return this.#until(Math.min(cost, this.#requests) - this.#mine(now));
  }

  /** The same for whoever comes again and asks the store for what it has, too. All of the request is then to be paid anew. */
  retryMs(cost: number, now: number): number {
    const reach = this.#isAlone ? this.#mine(now) : this.#held + this.#store(now);
    return this.#until(Math.min(cost, this.#requests) - reach);
  }

  /** Whole requests. */
  remaining(now: number): number {
    return Math.max(0, Math.min(this.#requests, Math.floor(this.#held + this.#store(now) + 1e-6)));
  }

  /** Seconds until it is full again. */
  resetSeconds(now: number): number {
    const missing = this.#requests - Math.min(this.#requests, this.#held + this.#store(now));
    return Math.ceil(missing / this.#perMs / 1_000 - 1e-6);
  }

  /** `members` by what was heard last, of any bucket. Who is alone needs no lease, and who was idle gives his back. */
  ask(members: number, now: number): Ask {
    const pace = this.#known ? (this.#spent / Math.max(now - this.#talkedAt, 50)) * 1_000 : this.#requests;
    this.#spent = 0;
    const block = Math.max(1, this.#requests * BLOCK);
    const wanted = Math.max(1, Math.min(this.#requests / members, Math.max(block, pace * 2)));
    this.#wanted = members === 1 || pace === 0 ? 0 : wanted;
    const least = Math.max(block, this.#needed);
    const want = Math.max(this.#wanted, members === 1 ? 0 : this.#needed);
    this.#needed = 0;
    return { held: this.#held, want, least };
  }

  /** Refused for now: whether the store may have it, which is then asked for as a whole. */
  need(cost: number, now: number, paid = 0): boolean {
    const needed = this.#needs(cost, paid);
    if (this.#members === 1 || this.#held + this.#store(now) + 1e-6 < needed) return false;
    this.#needed = Math.max(this.#needed, needed);
    return true;
  }

  /** `asked` is what this answers. */
  answer(asked: Ask, { granted, left, members }: Grant, now: number): void {
    // What was spent while the question was under way is settled the next time.
    this.#held = granted + this.#held - asked.held;
    this.#left = left;
    this.#heard = left;
    this.#at = now;
    this.#talkedAt = now;
    this.#members = members;
    this.#known = true;
    this.#isAlone = false;
  }

  /** No answer came: the share of what would have been refilled is taken without asking, and is not settled. */
  alone(now: number): void {
    this.#fill(now);
    const gained = this.#members === 1 ? this.#left : Math.max(0, this.#left - this.#heard) / this.#members;
    this.#held = Math.min(this.#requests, this.#held + gained);
    this.#left = 0;
    this.#heard = 0;
    this.#isAlone = true;
  }

  #needs(cost: number, paid: number): number {
    return Math.min(cost, this.#requests - paid);
  }

  #until(missing: number): number {
    return missing <= 1e-6 ? 0 : missing / (this.#isAlone ? this.#perMs / this.#members : this.#perMs);
  }

  /** What this process may spend without asking. */
  #mine(now: number): number {
    const store = this.#store(now);
    return this.#held + (this.#members === 1 ? store : Math.max(0, store) / (8 * this.#members));
  }

  #store(now: number): number {
    return Math.min(this.#room(), this.#left + this.#perMs * (now - this.#at));
  }

  #fill(now: number): void {
    this.#left = this.#store(now);
    this.#at = now;
  }

  /** What the store can hold: what was spent and is not settled yet makes room for a refill. */
  #room(): number {
    return this.#requests - Math.min(0, this.#held);
  }
}
