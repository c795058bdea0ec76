/**
 * A second process for the tests of the embedded PostgreSQL: `start`, then say so in one line of JSON and stay until
 * stdin ends; `exit` does the same and leaves without stopping; `find` says what it finds and whether it can log in.
 */
import pg from 'pg';
import { findEmbedded, startEmbedded } from '../../src/lib/embedded.ts';

const [mode, dataDir = ''] = process.argv.slice(2);
const say = (line: object) => new Promise((done) => process.stdout.write(`${JSON.stringify(line)}\n`, done));

try {
  if (mode === 'find') {
    const found = await findEmbedded(dataDir);
    const client = new pg.Client(found?.url);
    if (found) await client.connect();
    await say({ found, user: found && (await client.query('SELECT current_user')).rows[0].current_user });
    await client.end();
  } else {
    const lines: string[] = [];
    const { stop, died, ...facts } = await startEmbedded({ dataDir, log: (line) => lines.push(line) });
    await say({ ...facts, lines });
    if (mode === 'exit') process.exit(0);
    process.stdin.resume().once('end', stop);
  }
} catch (error) {
  const { name, message, pid } = error as Error & { pid?: number };
  await say({ error: name, message, pid });
}
