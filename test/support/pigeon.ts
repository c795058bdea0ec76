/** Two channels that do not exist, with every kind of credential, and a provider that answers for them. */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Type } from '@sinclair/typebox';
import { type Adapter, type AnyChannel, type Channel, DeliveryError } from '../../src/channel-kit/index.ts';

const basics = {
  receipts: [],
  dedupes: false,
  perSecond: 7,
  concurrency: 2,
  faults: {},
  guide: '',
  send: async () => ({ providerId: 'p1' }),
} as const;

export const coop: Adapter = {
  ...basics,
  id: 'coop',
  label: 'Coop & Sons',
  credentials: [
    { name: 'loft', label: 'Loft', required: true, pattern: '\\d{5,20}', help: 'digits only', example: '12345' },
    { name: 'api_token', label: 'Token', required: true, secret: true },
    { name: 'signing_secret', label: 'Signing secret', secret: true },
    { name: 'from', label: 'Sender', type: 'phone', required: true },
    { name: 'base_url', label: 'Address', type: 'url', default: 'https://api.coop.example.com' },
    { name: 'speed', label: 'Speed', type: 'choice', options: ['slow', 'fast'], default: 'slow' },
  ],
  account: 'loft',
  async check({ credentials, http, fault }) {
    const response = await http({ url: `${credentials.base_url}/me`, bearer: String(credentials.api_token) });
    if (response.status !== 200) throw fault(response);
    return `Connected to ${response.text}.`;
  },
  webhook: { verify: () => false, parse: () => [] },
};

/** Every client it opened, in order. */
export const opened: { token: string; closed: boolean }[] = [];

export const dovecote: Adapter<Record<string, unknown>, { closed: boolean; close(): void }> = {
  ...basics,
  id: 'dovecote',
  label: 'Dovecote Inc.',
  credentials: [
    { name: 'host', label: 'Host', type: 'host', required: true },
    { name: 'port', label: 'Port', type: 'number', default: 4_000, min: 1, max: 65_535 },
    { name: 'password', label: 'Password', secret: true },
    { name: 'quiet', label: 'Quiet', type: 'boolean' },
  ],
  connect(credentials) {
    const client = {
      token: String(credentials.password),
      closed: false,
      close() {
        client.closed = true;
      },
    };
    opened.push(client);
    return client;
  },
  async check({ client }) {
    if (client.closed) throw new DeliveryError('provider_unavailable');
    return 'Connected.';
  },
};

const channel = (id: string, label: string, adapters: Channel['adapters']): AnyChannel => ({
  id,
  label,
  recipient: [{ name: id, label, required: true }],
  content: Type.Object({ body: Type.String() }),
  capabilities: { receipts: [], inbound: false, media: [], maxChars: 100 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  retry: { delaysSeconds: [1] },
  sandbox: [],
  address: (to) => to[id] ?? '',
  preview: ({ body }) => ({ kind: 'bubble', text: String(body) }),
  adapters,
});

export const pigeon = channel('pigeon', 'Pigeon', [coop, dovecote]);
export const drum = channel('drum', 'Drum', [
  { ...basics, id: 'tam', label: 'Tam', credentials: [], check: async () => 'ok' },
]);

/** Answers `GET /me` as told; `token` is the one it takes. */
export async function startProvider() {
  const sockets = new Set<Socket>();
  const state = { token: 'right-token', mode: 'answer' as 'answer' | 'hang' | 'drop' };
  const server = createServer((req, res) => {
    if (state.mode === 'hang') return;
    if (state.mode === 'drop') return void req.socket.destroy();
    const right = req.headers.authorization === `Bearer ${state.token}`;
    res.writeHead(right ? 200 : 401).end(right ? 'the loft' : 'token <unknown> to us');
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    state,
    port,
    url: `http://127.0.0.1:${port}`,
    pair: `127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
