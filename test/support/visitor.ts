/** Somebody with a browser: keeps cookies, sends forms with the token of the page they stand on, follows nothing by itself. */
export interface Page {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  /** Where a redirect leads, without the host. */
  readonly to: string | undefined;
}

export interface Visitor {
  get(path: string): Promise<Page>;
  /** Looks at `from` (default: the path itself) for its form token, then sends the form. */
  post(path: string, fields?: Readonly<Record<string, string>>, from?: string): Promise<Page>;
  /** A form with a file in it, as `post`. */
  upload(
    path: string,
    fields: readonly (readonly [string, string])[],
    file?: { readonly name: string; readonly bytes: string | Uint8Array<ArrayBuffer> },
    from?: string,
  ): Promise<Page>;
  /** Sends exactly this. */
  send(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Page>;
  csrf(page: Page): string;
  readonly cookies: Map<string, string>;
}

let counter = 0;

/** Each visitor has an address of its own, which a server with TRUSTED_PROXIES=1 believes. */
export function createVisitor(url: string, ip = `203.0.${113 + (counter >> 8)}.${counter++ & 255}`): Visitor {
  const cookies = new Map<string, string>();
  const ask = async (path: string, init: RequestInit = {}): Promise<Page> => {
    const response = await fetch(url + path, {
      ...init,
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        'x-forwarded-for': ip,
        ...(cookies.size > 0 ? { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') } : {}),
        ...(init.headers as Record<string, string>),
      },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '' || /Max-Age=0/.test(cookie)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return {
      status: response.status,
      text: await response.text(),
      headers: response.headers,
      to: response.headers.get('location') ?? undefined,
    };
  };
  const csrf = (page: Page): string => /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  const send: Visitor['send'] = (path, fields, headers = {}) =>
    ask(path, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url, ...headers },
    });
  return {
    cookies,
    csrf,
    send,
    get: (path) => ask(path),
    async upload(path, fields, file, from = path) {
      const body = new FormData();
      body.append('csrf', csrf(await ask(from)));
      for (const [name, value] of fields) body.append(name, value);
      if (file) body.append('file', new Blob([file.bytes]), file.name);
      return ask(path, { method: 'POST', body, headers: { origin: url } });
    },
    async post(path, fields = {}, from = path) {
      return send(path, { csrf: csrf(await ask(from)), ...fields });
    },
  };
}
