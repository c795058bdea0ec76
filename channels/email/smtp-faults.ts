/**
 * What an SMTP server said, as a verdict. The enhanced code (RFC 3463) is more to the point than the plain one and comes
 * first, the longest known beginning of it; then the plain reply code; then its first digit.
 */
import { FAULTS, type Fault, type FaultKind } from '../../src/channel-kit/index.ts';

export const faults: Readonly<Record<string, FaultKind>> = {
  '5.1': 'recipient_invalid',
  // The sender's own address is at fault, not the recipient's.
  '5.1.7': 'content_invalid',
  '5.1.8': 'content_invalid',
  '5.2': 'provider_rejected',
  '5.2.1': 'recipient_invalid',
  // A full mailbox may be emptied.
  '5.2.2': 'provider_unavailable',
  '5.2.3': 'content_invalid',
  '5.3.4': 'content_invalid',
  '5.6': 'content_invalid',
  '5.7': 'provider_rejected',
  '5.7.8': 'credentials_invalid',
  '5.7.9': 'credentials_invalid',
  421: 'provider_unavailable',
  452: 'provider_unavailable',
  552: 'provider_unavailable',
  530: 'credentials_invalid',
  534: 'credentials_invalid',
  535: 'credentials_invalid',
  538: 'credentials_invalid',
};

/** Certificates that will not be better in a minute: a person must change the host name, the server or the setting. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|ALTNAME/;

/** The members of nodemailer's errors that are read here. */
export interface SmtpError {
  readonly message: string;
  readonly code?: string;
  readonly originalCode?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly command?: string;
}

/** `handedOver`: the last byte of the message had left, so a silence means that nobody knows. */
export function verdict(error: SmtpError, handedOver: boolean): Fault {
  const enhanced = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(error.response ?? '')?.[1];
  return {
    kind: kind(error, enhanced, handedOver),
    providerCode: enhanced ?? String(error.responseCode || error.originalCode || error.code || 'unknown'),
    providerMessage: error.response ?? error.message,
  };
}

function kind(error: SmtpError, enhanced: string | undefined, handedOver: boolean): FaultKind {
  const { code, responseCode, command = '' } = error;
  if (!responseCode) return withoutReply(error, handedOver);
  if (responseCode < 500) return 'provider_unavailable';
  if (code === 'EAUTH') return 'credentials_invalid';
  // A bare 552 is a full mailbox or a message that is too big; only the words tell which.
  if (responseCode === 552 && !enhanced && /size|too (big|large)/i.test(error.response ?? '')) return 'content_invalid';
  const known = (enhanced && byPrefix(enhanced)) || faults[responseCode];
  if (known) return known;
  const recipient = command.startsWith('RCPT') && [550, 551, 553].includes(responseCode) && !enhanced;
  return recipient ? 'recipient_invalid' : 'provider_rejected';
}

/** The enhanced code that says most: the one given, else the one in the words, unless it only says yes or no. */
export function preciseCode(status: string | undefined, words = ''): string | undefined {
  const found = [status?.trim() ?? '', /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(words)?.[0] ?? ''];
  return found.find((code) => /^[245]\.\d{1,3}\.\d{1,3}$/.test(code) && !/^\d\.0\.0$/.test(code));
}

/** What was refused after it had been taken, as the last server said it; reports put the protocol's name before its words. */
export function refusedLater(status: string | undefined, words = ''): Fault {
  const said = words
    .replace(/\s+/g, ' ')
    .replace(/^\s?[\w-]{1,20};/, '')
    .trim();
  const enhanced = preciseCode(status, said);
  const code = Number(/^\d{3}(?=\b)/.exec(said)?.[0] ?? (/^4/.test(enhanced ?? status ?? '') ? 450 : 550));
  const { kind } = verdict({ message: said, response: `${code} ${enhanced ?? said}`, responseCode: code }, true);
  return { kind, providerCode: enhanced ?? String(code), ...(said ? { providerMessage: said.slice(0, 1_000) } : {}) };
}

/** The same when a service has given the address up for good: that is so unless its code blames somebody else. */
export function bouncedForGood(status: string | undefined, words?: string): Fault {
  const enhanced = preciseCode(status, words);
  const kind = (enhanced && byPrefix(enhanced)) || 'recipient_invalid';
  return { ...refusedLater(status, words), kind: FAULTS[kind].retryable ? 'provider_rejected' : kind };
}

function byPrefix(enhanced: string): FaultKind | undefined {
  const parts = enhanced.split('.');
  return faults[enhanced] ?? faults[parts.slice(0, 2).join('.')];
}

function withoutReply({ code, originalCode = '', message }: SmtpError, handedOver: boolean): FaultKind {
  if (code === 'EENVELOPE' || code === 'EMESSAGE' || code === 'ESTREAM') return 'content_invalid';
  if (code === 'EAUTH' || code === 'ENOAUTH') return 'credentials_invalid';
  if (CERTIFICATE.test(originalCode)) return 'credentials_invalid';
  // STARTTLS was asked for and is not offered.
  if (code === 'ETLS' && !/closed|timed out/i.test(message)) return 'credentials_invalid';
  return handedOver ? 'outcome_unknown' : 'provider_unavailable';
}
