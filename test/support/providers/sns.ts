/**
 * Amazon's notification service, as far as somebody who is told sees it: posts signed with a certificate that lies at an
 * address beside it, and a page that confirms a subscription.
 */
import { createSign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SignedCallback } from './fake.ts';

export const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:mail-events';
export const CERTIFICATE_PATH = '/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem';

export interface SnsFake {
  /** For the setting `sns_url`. */
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

export async function startSns(): Promise<SnsFake> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === CERTIFICATE_PATH) response.end(snsCertificate);
    else if (request.url?.startsWith('/?Action=ConfirmSubscription')) response.end('<ConfirmSubscriptionResponse/>');
    else response.writeHead(404).end();
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

export interface SnsOptions {
  readonly type?: 'Notification' | 'SubscriptionConfirmation' | 'UnsubscribeConfirmation';
  readonly topic?: string;
  readonly version?: '1' | '2';
  readonly subject?: string;
  readonly id?: string;
  readonly certificateUrl?: string;
  readonly subscribeUrl?: string;
}

/** A post as the service at `origin` signs it. */
export function snsPost(url: string, origin: string, message: string, options: SnsOptions = {}): SignedCallback {
  const {
    type = 'Notification',
    topic = TOPIC,
    version = '2',
    subject,
    id = '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
  } = options;
  const subscribing = type !== 'Notification';
  const post: Record<string, string> = {
    Type: type,
    MessageId: id,
    TopicArn: topic,
    Message: message,
    Timestamp: '2026-08-01T10:00:00.000Z',
    ...(subject ? { Subject: subject } : {}),
    ...(subscribing
      ? {
          Token: 'token-of-the-subscription',
          SubscribeURL:
            options.subscribeUrl ??
            `${origin}/?Action=ConfirmSubscription&TopicArn=${topic}&Token=token-of-the-subscription`,
        }
      : {}),
  };
  const names = subscribing
    ? ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
    : ['Message', 'MessageId', ...(subject ? ['Subject'] : []), 'Timestamp', 'TopicArn', 'Type'];
  const signer = createSign(version === '1' ? 'RSA-SHA1' : 'RSA-SHA256');
  signer.update(names.map((name) => `${name}\n${post[name]}\n`).join(''));
  const body = {
    ...post,
    SignatureVersion: version,
    Signature: signer.sign(snsKey, 'base64'),
    SigningCertURL: options.certificateUrl ?? `${origin}${CERTIFICATE_PATH}`,
  };
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': type },
    body: Buffer.from(JSON.stringify(body)),
  };
}

/** Nobody's: made for these tests, good for a hundred years. */
export const snsCertificate = `-----BEGIN CERTIFICATE-----
MIIDGzCCAgOgAwIBAgIUeXfxiqAr+b+7QS+N+1zxnK/qA2UwDQYJKoZIhvcNAQEL
BQAwHDEaMBgGA1UEAwwRc25zLmFtYXpvbmF3cy5jb20wIBcNMjYxMTIxMTgwMjIy
WhgPMjEyNjEwMjgxODAyMjJaMBwxGjAYBgNVBAMMEXNucy5hbWF6b25hd3MuY29t
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlQgNqqGh6yN1J17vQIBS
CbuNjVnWSblK6MeQ9fhTvNxp/UzCroPx3RBOKzcYvTBaxKgU9Bkc8boUEZ+GUFW8
uHPotEHZJOguhqFNz0it/odo/NNaGjhG4dI+3hkqNSaIYzKTsz3T0doS/CsMMCW+
+7LWMSAqLB/s7+jDuFOWBNxxNwfkdq/cNDj357mqlF7TWhALn+z56WMLk9L7dnkQ
WNXvHWjDKNag7BmmgTUIq4jpmS8CMLlVxDs3zzCO4k+DJ6zwPWMVqobRKEfja03w
lJHpAgZRyXOlOX8MlkSUQIMiYvbftSVh1WndaUtapJdeZZVbAebNfTELnHc3UPbc
pQIDAQABo1MwUTAdBgNVHQ4EFgQUzfSy/jPlaPIWEWaKtuxaNeM4lfswHwYDVR0j
BBgwFoAUzfSy/jPlaPIWEWaKtuxaNeM4lfswDwYDVR0TAQH/BAUwAwEB/zANBgkq
hkiG9w0BAQsFAAOCAQEAT+KcW5YHgBsfQ8Q1lBVc9MyYkGDUnRCfLjBe1dGNrRae
xS5blR0QJWCUGehCybN8IB/CUtrgWDbQhgsAiApZXKUvaYtS6Ls0MPXJWIjtEnKo
h8G2VsGmaP8EQhBM0zUDVDsXdxOZuXsGOGllNl6qoD9S5jZthIB3eZizkE+ccNUn
DF1rtzF4glQsE4eBlZMPFo6Rwsj1NnzoC2yyE4mDyXtUX8I0EGe8P108GcFElQt7
qghWIIHRGTFXmGVN7I1CevH7gNALCx/bp6yC4lg4ddf1LlHLh9TlFT8eRRI1ebO8
ihpBKLeoEvYX+JjKtiGB5ynZti73fbxQIOMauUPpxA==
-----END CERTIFICATE-----
`;
const snsKey = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCVCA2qoaHrI3Un
Xu9AgFIJu42NWdZJuUrox5D1+FO83Gn9TMKug/HdEE4rNxi9MFrEqBT0GRzxuhQR
n4ZQVby4c+i0Qdkk6C6GoU3PSK3+h2j801oaOEbh0j7eGSo1JohjMpOzPdPR2hL8
KwwwJb77stYxICosH+zv6MO4U5YE3HE3B+R2r9w0OPfnuaqUXtNaEAuf7PnpYwuT
0vt2eRBY1e8daMMo1qDsGaaBNQiriOmZLwIwuVXEOzfPMI7iT4MnrPA9YxWqhtEo
R+NrTfCUkekCBlHJc6U5fwyWRJRAgyJi9t+1JWHVad1pS1qkl15llVsB5s19MQuc
dzdQ9tylAgMBAAECggEABUw0UtTMu7Nr+QqlOJwXI89t+GYGzwzDfpjcLKeM2nwq
AbNr1uZL1Q7nqHOcm9pkhPRwoj4OSwLRWdBbkZl/9ufv5WXTK+kGVl9/iOx4JZci
Ap1vaNqH8oPAcQa1+w5emiAfI1JW/Zu3Qbg0sQrLyjNmQnghPPukNuGwVhS/6CDx
ZWOkPJ5OocILYPjb9SN5F4pWbHmYhHhjxJ6I+1poI/sgXDhdyr+ZxBhC1jpxhmyc
mU2RuActCKtQ1DmKATnytr5eFfJVMVbifpEapLRgQg4EdiEdMzrk18i9mGMxlm7E
rHgrBLbK38D4Cm87AsedxZuKyhVZl1MNqXkyxtLTVQKBgQDH1rC15M1NRMp1N8sp
GOSKvUU2enf36HY3dLE8pBwrDlUWUgyCm5ajpJk/Tr0VCvj5rnSj1c5OEngqqLmF
dTjgSCP9CSx7zk0B0hAWSov0vZQoMWN5QdjcFnvMF/5vgIwYCyu2aJGNA05CpGIK
CDdxPlC0joN9wKniO4EVOFfClwKBgQC+6g+5JThjofXW7p1FOlc0UYu5jHSkcifP
zGPnkMEYTymYglDJM6+BNrj3PecTEcR16kUd5VBgK5/xU3prCBIjLojlQBu8lXya
UlfBWr1DQXEBJ+7Z9QFNXbz0sZ1JYh56ZsrQj1915EGl5Y38i9Kf13Sp71ybhV39
/SBNY6UOIwKBgDdri8A1/tWh8T/GxFnWZHMxgENWfXTMDBTfENQPcxxhsikpgfyq
p4Ekgbdz3645R8j+n6xb/AXcy2SRPDoNw0M33nsrEyIWmXaayglUjTHHbZIj+EFF
iJ2owpZcRRypGrEEUBAbOdpQg2Cp8+JyWuXV8U3RhBfY2YQ7GlZHNNdrAoGBAJHS
olPe1CV17htPgxz/pOA3cSw21llNQI9+JMkZTgRNYw40a5RjQCjILZvb0oZESfVv
DX/6SdxLNg3Un2rlbUUmJDZHM2hmHhiZ0KHFt06Jy9EAOXaNp4L6mHumtub4ZSNF
JKENAfNAd8xJfJxsCGNC5L9wLyIzSknYcDXsaIRVAoGAHmvQh7JtJGLdFKaa1gRq
rdYdYhCmoftuIDcO/qiSNapjb22v0xiGPV+pP27o65u19Dd3ZYIuIZ3fOllztYl5
uceF0fuGqmZ/f/uhUjCrTA5Um4QVlW1OskWcn4YCVEJ4qL9R0NoMTp5OPb3+6TgF
x47d7/R150LUEIMDx3UkMWQ=
-----END PRIVATE KEY-----
`;
