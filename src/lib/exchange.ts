/**
 * One request on its way: in line for a socket, waiting for it to open, sent. It settles once, by the answer, an error, its
 * time or its signal, whichever comes first, and knows at every moment whether a byte may have left. A class, because
 * thousands a second are made.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Lane, Passenger, Sockets } from './sockets.ts';

export interface Outcome {
  answered(status: number, headers: IncomingHttpHeaders, bytes: Buffer): void;
  /** `sent` is false only when it is certain that no byte of the request left. */
  failed(error: unknown, sent: boolean): void;
}

export class Exchange implements Passenger, Dispatcher.DispatchHandler {
  private readonly sockets: Sockets;
  private readonly options: Dispatcher.DispatchOptions;
  private readonly outcome: Outcome;
  private signal: AbortSignal | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lane: Lane | undefined;
  private controller: Dispatcher.DispatchController | undefined;
  /** A socket has taken it up: from here on bytes may have left. */
  private departed = false;
  private settled = false;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private readonly chunks: Buffer[] = [];

  constructor(sockets: Sockets, options: Dispatcher.DispatchOptions, outcome: Outcome) {
    this.sockets = sockets;
    this.options = options;
    this.outcome = outcome;
  }

  begin(timeoutMs: number, signal: AbortSignal | undefined): void {
    this.signal = signal;
    this.timer = setTimeout(expire, timeoutMs, this);
    signal?.addEventListener('abort', this);
    this.sockets.take(this);
  }

  board(lane: Lane): void {
    if (this.settled) {
      lane.giveBack();
      return;
    }
    this.lane = lane;
    lane.dispatch(this.options, this);
  }

  /** The signal has spoken. */
  handleEvent(): void {
    this.end(this.signal?.reason);
  }

  /** Ends it before its time, wherever it is. */
  end(reason: unknown): void {
    if (!this.settle()) return;
    if (!this.lane) this.sockets.leave(this);
    this.outcome.failed(reason, this.departed);
    // Who waits for a socket to open has no controller yet, and is stopped when the socket takes it up.
    this.controller?.abort(STOPPED);
  }

  /** False when that has happened before. */
  private settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    clearTimeout(this.timer);
    this.signal?.removeEventListener('abort', this);
    return true;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // An aborted request ends here, and then it has not departed.
    if (this.settled) controller.abort(STOPPED);
    else this.departed = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.lane?.giveBack();
    if (this.settle()) this.outcome.answered(this.status, this.headers, joined(this.chunks));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.lane?.giveBack();
    if (this.settle()) this.outcome.failed(error, this.departed);
  }
}

const STOPPED = new Error('stopped');

const expire = (exchange: Exchange): void => exchange.end(new Error('no answer came in time'));

function joined(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first ? first : Buffer.concat(chunks);
}
