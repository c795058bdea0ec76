/**
 * WhatsApp through Meta's Cloud API.
 *
 * A send is one POST; its answer means accepted, never delivered. What happened to it comes back as a signed status that
 * echoes our reference. The provider has no idempotency key, so a lost answer stays unknown until a status settles it.
 * Source: Cloud API messages, webhooks and error codes, v24.0, read 2026-08.
 */
import { type Adapter, at, DeliveryError, type HttpResponse, textAt } from '../../src/channel-kit/index.ts';
import { languageCode } from './binding.ts';
import { faults } from './cloud-faults.ts';
import { passthrough } from './cloud-passthrough.ts';
import { webhook } from './cloud-webhook.ts';
import type { WhatsAppContent } from './content.ts';
import { guide } from './guide.ts';

export const cloud: Adapter<WhatsAppContent> = {
  id: 'meta_cloud',
  label: 'Meta Cloud API',
  guide,
  credentials: [
    {
      name: 'phone_number_id',
      label: 'Phone number ID',
      required: true,
      pattern: '^\\d{5,25}$',
      help: 'The ID of the sending number, not the number itself.',
      example: '106540352242922',
    },
    {
      name: 'access_token',
      label: 'Access token',
      required: true,
      secret: true,
      help: 'Of a system user; never expires.',
    },
    {
      name: 'app_secret',
      label: 'App secret',
      required: true,
      secret: true,
      help: 'Proves that callbacks are genuine.',
    },
    {
      name: 'verify_token',
      label: 'Verify token',
      required: true,
      secret: true,
      help: 'Any long random text; type the same one where the provider asks for it.',
    },
    {
      name: 'waba_id',
      label: 'WhatsApp Business account ID',
      pattern: '^\\d{5,25}$',
      help: 'Only needed for templates.',
    },
    { name: 'base_url', label: 'API address', type: 'url', default: 'https://graph.facebook.com/v24.0' },
  ],
  account: 'phone_number_id',
  receipts: ['sent', 'delivered', 'read', 'failed'],
  dedupes: false,
  perSecond: 80,
  concurrency: 20,
  faults,
  faultCode,

  async send({ reference, address, content, language }, context) {
    const { base_url, phone_number_id, access_token } = context.credentials;
    const response = await context.http({
      method: 'POST',
      url: `${base_url}/${phone_number_id}/messages`,
      bearer: String(access_token),
      json: {
        messaging_product: 'whatsapp',
        recipient_type: 'individual',
        ...(address.startsWith('+') ? { to: address } : { recipient: address }),
        ...message(content, language),
        biz_opaque_callback_data: reference,
      },
    });
    const body = response.json();
    const providerId = textAt(body, 'messages', 0, 'id');
    if (response.status !== 200 || !providerId) throw context.fault(response);
    // Present while the provider holds a new template back to see how people take it.
    const held = textAt(body, 'messages', 0, 'message_status');
    return { providerId, ...(held && held !== 'accepted' ? { note: held } : {}) };
  },

  async check({ credentials, http, fault }) {
    const response = await http({
      url: `${credentials.base_url}/${credentials.phone_number_id}?fields=display_phone_number,verified_name,quality_rating`,
      bearer: String(credentials.access_token),
    });
    const body = response.json();
    const number = textAt(body, 'display_phone_number');
    if (response.status !== 200 || !number) throw fault(response);
    return `${number} (${textAt(body, 'verified_name') ?? 'no name'}), quality ${textAt(body, 'quality_rating') ?? 'unknown'}`;
  },

  webhook: { ...webhook, passthrough },
};

function message(content: WhatsAppContent, language: string | undefined): object {
  if (content.type === 'text' && content.text) return { type: 'text', text: content.text };
  if (content.type !== 'template' || !content.template)
    throw new DeliveryError('content_invalid', {
      providerMessage: `a ${content.type} message without its ${content.type}`,
    });
  const code = content.template.language ?? (language ? { code: languageCode(language) } : undefined);
  if (!code) throw new DeliveryError('content_invalid', { providerMessage: 'the template has no language' });
  return { type: 'template', template: { ...content.template, language: code } };
}

/** Decisions hang on the code alone. 100 with subcode 33 is not a bad parameter but a number this token cannot see. */
function faultCode(response: HttpResponse): string | undefined {
  const error = at(response.json(), 'error');
  const code = textAt(error, 'code');
  return code === '100' && textAt(error, 'error_subcode') === '33' ? '33' : code;
}
