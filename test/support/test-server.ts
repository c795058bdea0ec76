/** The PostgreSQL that tests run on. The one place to change when another should serve. */
import pg from 'pg';

export interface TestServer {
  /** Of a superuser. */
  readonly adminUrl: string;
  stop(): Promise<void>;
}

export async function testServer(): Promise<TestServer> {
  const adminUrl = process.env.CARILLON_TEST_DATABASE ?? 'postgres://postgres@127.0.0.1:5432/postgres';
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 3_000 });
  try {
    await client.connect();
  } catch (error) {
    throw new Error(
      `No PostgreSQL answers at ${new URL(adminUrl).host}. Name a superuser's address in CARILLON_TEST_DATABASE.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
  return { adminUrl, stop: async () => undefined };
}
