/** As much of a browser as a form needs: cookies, redirects, hidden fields. What works for it needs no script. */
import { unescaped } from './html.ts';

export class Visitor {
  readonly #url: string;
  readonly cookies = new Map<string, string>();
  /** Where the last answer came from, and what it said. */
  at = '';
  status = 0;
  text = '';
  constructor(url: string) {
    this.#url = url;
  }

  async open(path: string, init: RequestInit = {}): Promise<this> {
    const answer = await fetch(this.#url + path, {
      ...init,
      redirect: 'manual',
      headers: { ...init.headers, cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      if (/Max-Age=0/.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location) return this.open(location);
    [this.at, this.status, this.text] = [path, answer.status, await answer.text()];
    return this;
  }

  /** Sends the form that posts to `action`, its hidden fields with it; to where the pressed button says, if it does. */
  submit(action: string, fields: Record<string, string> | [string, string][] = {}, formAction = action): Promise<this> {
    const form = [...this.text.matchAll(/<form[^>]*action="([^"]*)"[\s\S]*?<\/form>/g)].find(
      ([whole, to]) => to === action && /^<form[^>]*method="post"/.test(whole),
    );
    if (!form) throw new Error(`no form for ${action} at ${this.at}`);
    const body = new URLSearchParams();
    for (const [tag] of form[0].matchAll(/<input type="hidden"[^>]*>/g))
      body.append(unescaped(/name="([^"]*)"/.exec(tag)?.[1] ?? ''), unescaped(/value="([^"]*)"/.exec(tag)?.[1] ?? ''));
    for (const [name, value] of Array.isArray(fields) ? fields : Object.entries(fields)) body.append(name, value);
    return this.open(formAction, {
      method: 'POST',
      body,
      headers: { origin: this.#url, 'sec-fetch-site': 'same-origin' },
    });
  }

  /** The page as words. */
  get words(): string {
    return unescaped(this.text.replace(/<[^>]+>/g, ' ')).replace(/\s+/g, ' ');
  }
  find(pattern: RegExp): string {
    const found = pattern.exec(unescaped(this.text));
    if (!found) throw new Error(`nothing like ${pattern} at ${this.at}: ${this.words.slice(0, 300)}`);
    return found[1] ?? found[0];
  }
}
