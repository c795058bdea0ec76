/**
 * From what was asked to what is sent: the template's content, the channel's own, or the raw fields, with the variables
 * filled in and judged once more by the channel, because only now is its length known.
 */
import { type AnyChannel, type Content, DeliveryError } from '../../channel-kit/index.ts';
import type { Templates, TemplateVersion } from '../templates/index.ts';
import { RAW_FIELDS, type RawFields } from './schema.ts';
import type { Input } from './types.ts';

export interface Renderable {
  readonly input: Input;
  readonly language: string | null;
}

/** Throws `DeliveryError(content_invalid)` when the finished message is not acceptable. */
export type Render = (channel: AnyChannel, message: Renderable, version: TemplateVersion | undefined) => Content;

export const createRender =
  ({ templates }: { readonly templates: Templates }): Render =>
  (channel, { input, language }, version) => {
    let content: Content;
    try {
      const data = input.data ?? {};
      content = version
        ? templates.render(version, { channel: channel.id, language: language ?? '' }, data)
        : templates.renderRaw(channel.id, input.content ?? rawContent(channel, input), data);
    } catch (error) {
      throw new DeliveryError('content_invalid', {
        providerMessage: error instanceof Error ? error.message : String(error),
      });
    }
    const [fault] = templates.contentFaults(channel.id, content);
    if (fault)
      throw new DeliveryError('content_invalid', { providerMessage: `${fault.path || 'content'} ${fault.message}` });
    return content;
  };

/** The raw fields that a channel takes, as its content. */
export const rawContent = (channel: AnyChannel, fields: RawFields): Content =>
  Object.fromEntries(
    RAW_FIELDS.filter((field) => field in channel.content.properties && fields[field] !== undefined).map((field) => [
      field,
      fields[field],
    ]),
  );
