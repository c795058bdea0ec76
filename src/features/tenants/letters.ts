/** The letters to people, and the pages their links lead to. Addresses are made of PUBLIC_URL, never of a request. */
import type { Mail } from '../../lib/mail.ts';
import type { Purpose } from './link-store.ts';

export interface Letters {
  /** Whether this installation can send mail at all. */
  readonly canSend: boolean;
  link(purpose: Purpose, token: string): string;
  /** After the commit of what it tells of. Does nothing without mail. Carries no text that its reader did not write. */
  send(name: 'confirm' | 'reset' | 'invite' | 'password-changed', to: string, link: string): void;
  readonly forgotPage: () => string;
}

const PAGES: Readonly<Record<Purpose, string>> = {
  sign_in: '/portal/enter',
  confirm: '/portal/confirm',
  reset: '/portal/reset',
  invite: '/portal/signup',
};

export const createLetters = (mail: Mail | undefined, publicUrl: () => string): Letters => ({
  canSend: mail !== undefined,
  link: (purpose, token) => `${publicUrl()}${PAGES[purpose]}?token=${token}`,
  send: (name, to, link) => mail?.post({ to, name, words: { site: new URL(publicUrl()).host, link } }),
  forgotPage: () => `${publicUrl()}/portal/forgot`,
});
