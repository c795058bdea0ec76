/** Whatever the guide says to paste is taken by the product as it stands, with the reader's own key. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unescaped } from '../support/html.ts';
import { type Api, apiAt, type Product, startProduct } from '../support/product.ts';

/** The JSON of every sample that sends, whatever the language around it. */
function bodiesOf(page: string): unknown[] {
  return [...page.matchAll(/<pre[^>]*>([\s\S]*?)<\/pre>/g)]
    .map(([, text = '']) => unescaped(text.replace(/<[^>]+>/g, '')))
    .filter((text) => text.includes('/notifications/send'))
    .map((text) => {
      const from = text.lastIndexOf('{', text.indexOf('"recipient"'));
      let depth = 0;
      for (let at = from; at < text.length; at++) {
        if (text[at] === '{') depth++;
        if (text[at] === '}' && --depth === 0) return JSON.parse(text.slice(from, at + 1).replaceAll("'\\''", "'"));
      }
      throw new Error(`no body in ${text}`);
    });
}

describe('the guide', () => {
  let product: Product;
  let session = '';
  let api: Api;
  beforeAll(async () => {
    product = await startProduct({ env: { SIGNUP: 'open' } });
    const open = await fetch(`${product.url}/portal/signup`);
    const guest = open.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const csrf = /name="csrf" value="([^"]+)"/.exec(await open.text())?.[1] ?? '';
    const signedUp = await fetch(`${product.url}/portal/signup`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: guest, origin: product.url },
      body: new URLSearchParams({
        csrf,
        organization: 'Northwind Books',
        name: 'Ada',
        email: 'ada@northwind.example',
        password: 'a bell for every book',
      }),
    });
    session = signedUp.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0] ?? '')
      .join('; ');
    const welcome = await (await fetch(`${product.url}/portal/welcome`, { headers: { cookie: session } })).text();
    api = apiAt(product.url, /ak_test_\w+/.exec(welcome)?.[0]);
  });
  afterAll(() => product?.stop());

  /** What of the page's samples the account's own key is refused. */
  async function refused(who: 'guest' | 'account'): Promise<unknown[]> {
    const page = await fetch(`${product.url}/portal/how-to-use`, {
      headers: who === 'guest' ? {} : { cookie: session },
    });
    const text = await page.text();
    expect(text.includes('Sign out')).toBe(who === 'account');
    const bodies = bodiesOf(text);
    // One with a template for each of the five channels, beside the plain ones.
    expect(bodies.length).toBeGreaterThan(10);
    expect(bodies.filter((body) => JSON.stringify(body).includes('"template_id"')).length).toBe(5);
    const answers = await Promise.all(
      bodies.map(async (body) => {
        const valid = await api('/api/v1/notifications/validate', { body });
        const sent = await api('/api/v1/notifications/send', { body });
        return { body, valid: valid.body.valid, status: sent.status, findings: valid.body };
      }),
    );
    return answers.filter(({ valid, status }) => valid !== true || (status !== 202 && status !== 200));
  }

  test('to a guest shows samples that a fresh account may send as they stand', async () => {
    expect(await refused('guest')).toEqual([]);
  });

  test('to a fresh account shows samples that it may send as they stand', async () => {
    expect(await refused('account')).toEqual([]);
  });

  test('shows samples of the templates there are: no drafts, and the language where it must be said', async () => {
    const hello = { en: { body: 'Hello {{first_name}}' }, de: { body: 'Hallo {{first_name}}' } };
    const made = await api('/api/v1/templates', { body: { template_id: 'two_tongues', content: { sms: hello } } });
    expect(made.status).toBe(201);
    const draft = { template_id: 'only_a_draft', draft: true, content: { voice: { en: { body: 'Hello' } } } };
    expect((await api('/api/v1/templates', { body: draft })).status).toBe(201);
    const page = await (await fetch(`${product.url}/portal/how-to-use`, { headers: { cookie: session } })).text();
    expect(page).toContain('two_tongues');
    expect(page).not.toContain('only_a_draft');
    expect(await refused('account')).toEqual([]);
  });
});
