/** Secrets and what is signed with them: the headers of Standard Webhooks, and the plain digest that many stacks check already. Pure. */
import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
export const newSecret = (): string => PREFIX + randomBytes(32).toString('base64');
const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64');

/** `secrets`: all that sign, the newest first. The key is what stands after `whsec_`, decoded, in both kinds. */
export function signed(
  { id, seconds, body }: { readonly id: string; readonly seconds: number; readonly body: Buffer },
  secrets: readonly string[],
): Readonly<Record<string, string>> {
  const content = Buffer.concat([Buffer.from(`${id}.${seconds}.`), body]);
  const one = (secret: string) => `v1,${createHmac('sha256', keyOf(secret)).update(content).digest('base64')}`;
  const [newest = ''] = secrets;
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': secrets.map(one).join(' '),
    'x-signature-256': `sha256=${createHmac('sha256', keyOf(newest)).update(body).digest('hex')}`,
  };
}

/** As the provider signs whose words are passed on, with the newest secret as it was shown for the secret of its app. */
export const signedAsProvider = (body: Buffer, [newest = '']: readonly string[]): Readonly<Record<string, string>> => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', newest).update(body).digest('hex')}`,
});
