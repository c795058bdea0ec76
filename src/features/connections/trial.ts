/** Trying a connection: what the provider says about the credentials, told to their owner. */
import { DeliveryError, FAULTS, type FaultKind } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { OpenConnection } from './door.ts';

export type Outcome =
  | { readonly ok: true; readonly note: string }
  | { readonly ok: false; readonly note: string; readonly fault: FaultKind; readonly error: ApiError };

const LIMIT_MS = 10_000;
/** Told apart, these would show which ports of a network are open; together they mean: nobody there. */
const NO_CONNECTION = /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|UND_ERR_.*)$/;

/** Takes 10 s at most. Throws only what is a bug. */
export async function tryConnection(connection: OpenConnection): Promise<Outcome> {
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  try {
    const context = connection.checkContext(limit.signal);
    const asking = connection.adapter.check({
      ...context,
      http: (request) => context.http({ ...request, timeoutMs: Math.min(request.timeoutMs ?? LIMIT_MS, LIMIT_MS) }),
    });
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new DeliveryError('outcome_unknown', { providerCode: 'ETIMEDOUT' })), LIMIT_MS);
    });
    return { ok: true, note: await Promise.race([asking, late]) };
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    return refuse(error);
  } finally {
    clearTimeout(timer);
    limit.abort();
  }
}

/** Nothing was to be delivered, so an unknown outcome only means that no answer came. */
const TEXTS: Partial<Record<FaultKind, string>> = {
  credentials_invalid: 'The provider refused these credentials: they are wrong, expired or lack a permission.',
  outcome_unknown: `The provider took the request but did not answer within ${LIMIT_MS / 1_000} seconds. Try again.`,
  provider_unavailable: 'The provider could not be reached. Check the address and the port, then try again.',
  rate_limited: 'The provider answers too many requests at the moment. Wait a little, then test again.',
};

function refuse({ fault }: DeliveryError): Outcome {
  const { kind, providerCode, providerMessage } = fault;
  const text = TEXTS[kind] ?? `${FAULTS[kind].message} ${FAULTS[kind].fix}`;
  const details =
    providerCode !== undefined && NO_CONNECTION.test(providerCode)
      ? { fault: kind, provider_code: 'NO_CONNECTION' }
      : {
          fault: kind,
          ...(providerCode === undefined ? {} : { provider_code: providerCode }),
          ...(providerMessage === undefined ? {} : { provider_message: providerMessage }),
        };
  return { ok: false, note: text, fault: kind, error: new ApiError('connection_failed', text, { details }) };
}
