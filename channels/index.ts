/** The channels that ship with the product; the order is the listing order. */
import type { AnyChannel } from '../src/channel-kit/index.ts';
import { email } from './email/index.ts';
import { slack } from './slack/index.ts';
import { sms } from './sms/index.ts';
import { voice } from './voice/index.ts';
import { whatsapp } from './whatsapp/index.ts';

export const channels: readonly AnyChannel[] = [whatsapp, email, sms, slack, voice];
