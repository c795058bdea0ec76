/** The product's own schema of a send, compiled with the same ajv: a peer judges a request as strictly as we do. */
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { channels } from '../../../channels/index.ts';
import { createRegistry } from '../../../src/channel-kit/index.ts';
import { sendBody } from '../../../src/features/notifications/schema.ts';
import { channel } from '../plugin.ts';

const ajv = new Ajv({ strict: false });
(addFormats as unknown as (ajv: Ajv) => void)(ajv);
const validate = ajv.compile(sendBody(createRegistry([...channels, channel])));

export interface Send {
  readonly recipient: { readonly phone: string };
  readonly notification: {
    readonly channels: readonly string[];
    readonly template_id: string;
    readonly data: Readonly<Record<string, string>>;
  };
}

/** Throws what is wrong with it. */
export function judged(body: Buffer): Send {
  const parsed: unknown = JSON.parse(body.toString());
  if (!validate(parsed)) throw new Error(ajv.errorsText(validate.errors));
  return parsed as unknown as Send;
}

/** As long as the product's own answer. */
export const accepted = (id: string) => ({
  notification_id: id,
  status: 'queued',
  channels: [{ channel: 'benchhttp', message_id: id, status: 'queued' }],
  created_at: new Date().toISOString(),
  livemode: true,
});
