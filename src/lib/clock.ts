/** The process's only source of time. SQL has its own, `clock_now()`, so that rows never compare two clocks. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
