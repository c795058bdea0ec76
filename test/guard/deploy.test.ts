/**
 * The files by which Carillon is deployed say what is so: every setting they name exists, every command is ours, every port and
 * path that is probed is served. Tools that judge them further are used where the machine has them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createProgram } from '../../src/cli.ts';
import { healthRoutes } from '../../src/features/health/index.ts';
import { projectRoot, readConfig, SETTINGS } from '../../src/lib/config.ts';
import { projectFiles, readProjectFile } from '../support/sources.ts';

type Json = any;
const KNOWN = new Set([...SETTINGS.map(({ key }) => key), 'NODE_ENV', 'NODE_OPTIONS']);
const COMMANDS = new Set(createProgram().commands.map((command) => command.name()));
const PATHS = healthRoutes({ health: { isReady: async () => true, leave: () => undefined } }).map(({ path }) => path);
const METRICS_PORT = 9464;

const files = projectFiles();
const manifests = files.filter((path) => /^deploy\/.*\.ya?ml$/.test(path));
function documents(path: string): readonly Json[] {
  const parsed = parseAllDocuments(readProjectFile(path), { merge: true, uniqueKeys: true });
  if (!Array.isArray(parsed)) throw new Error(`${path} is empty`);
  expect(parsed.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  return parsed.map((document) => document.toJS());
}
const strangers = (keys: Iterable<string>): readonly string[] => [...keys].filter((key) => !KNOWN.has(key));
const has = (tool: string): boolean => spawnSync('which', [tool]).status === 0;

describe('the image', () => {
  const lines = readProjectFile('Dockerfile')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));
  const of = (word: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  /** .dockerignore leaves everything out and lets a few in. */
  const ignored = readProjectFile('.dockerignore').split('\n');
  const isLetIn = (path: string): boolean =>
    ignored.some((line) => line === `!${path}` || path.startsWith(`${line.slice(1)}/`));

  test('copies what is there and what the context lets in', () => {
    expect(ignored).toContain('*');
    const copied = of('COPY').filter((line) => !line.startsWith('--from='));
    const sources = copied.flatMap((line) => line.split(' ').slice(0, -1));
    expect(sources.length).toBeGreaterThan(8);
    for (const source of sources) {
      expect(
        files.some((path) => path === source || path.startsWith(`${source}/`)),
        source,
      ).toBe(true);
      expect(isLetIn(source), source).toBe(true);
    }
  });

  test('is pinned, runs as nobody special, starts our command, and asks a path of ours whether it is well', () => {
    const stages = of('FROM');
    for (const stage of stages) expect(stage).toMatch(/^node:\d+\.\d+\.\d+-[\w-]+-slim( AS \w+)?$/);
    for (const line of of('COPY').filter((text) => text.startsWith('--from=')))
      expect(
        stages.some((stage) => stage.endsWith(` AS ${/^--from=(\w+)/.exec(line)?.[1]}`)),
        line,
      ).toBe(true);
    expect(of('USER')).toEqual(['node']);
    expect(JSON.parse(of('ENTRYPOINT')[0] ?? '').at(-1)).toBe('src/launch.js');
    expect(COMMANDS).toContain(JSON.parse(of('CMD')[0] ?? '')[0]);
    expect(of('EXPOSE')[0]?.split(' ')).toContain(String(METRICS_PORT));
    const health = of('HEALTHCHECK')[0] ?? '';
    expect(PATHS.some((path) => health.includes(path))).toBe(true);
    const settings = of('ENV').flatMap((line) => line.split(' ').map((pair) => pair.split('=')[0] as string));
    expect(strangers(settings)).toEqual([]);
    expect(of('ENV')[0]).toContain(`METRICS_PORT=${METRICS_PORT}`);
  });

  test.runIf(has('hadolint'))('hadolint has nothing to say (skipped where it is not installed)', () => {
    execFileSync('hadolint', ['--failure-threshold', 'warning', 'Dockerfile'], { cwd: projectRoot });
  });
});

describe('compose', () => {
  const [{ services, volumes }] = documents('deploy/compose.yaml') as [Json];

  test('settings exist, commands are ours, and what is waited for says when it is there', () => {
    for (const [name, service] of Object.entries<Json>(services)) {
      if (service.image !== 'carillon:local') {
        expect(service.image, name).toMatch(/:\d+\.\d+/);
        expect(service.healthcheck.test, name).toBeDefined();
        continue;
      }
      expect(strangers(Object.keys(service.environment)), name).toEqual([]);
      expect(COMMANDS, name).toContain(service.command[0]);
      expect(service.read_only && service.cap_drop.includes('ALL'), name).toBe(true);
      for (const dependency of Object.keys(service.depends_on)) expect(services, name).toHaveProperty(dependency);
    }
    expect(services.api.environment.ROLE).toBe('api');
    expect(services.worker.environment.ROLE).toBe('worker');
    expect(services.redis.command.join(' ')).toContain('--appendonly yes');
    expect(services.redis.command.join(' ')).toContain('--maxmemory-policy noeviction');
    for (const { volumes: used = [] } of Object.values<Json>(services))
      for (const volume of used) expect(volumes).toHaveProperty(volume.split(':')[0]);
  });

  test('every secret comes from the file of the example, which offers no others', () => {
    const asked = new Set([...readProjectFile('deploy/compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
    const offered = [...readProjectFile('deploy/compose.env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name);
    expect([...asked].sort()).toEqual([...offered].sort());
  });

  test('the settings would start a process', () => {
    const env = Object.fromEntries(
      Object.entries<string>(services.api.environment).map(([key, value]) => [
        key,
        value.replace(/\$\{(\w+)[^}]*\}/g, (_, name) => FILLED[name] ?? 'filled'),
      ]),
    );
    expect(readConfig({ ...env, NODE_ENV: 'production' }).role).toBe('api');
  });
});

const FILLED: Readonly<Record<string, string>> = {
  ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
  PUBLIC_URL: 'https://notify.example.com',
  ADMIN_KEY: 'x'.repeat(32),
};

describe('kubernetes', () => {
  const all = manifests.filter((path) => path.includes('/kubernetes/')).flatMap(documents);
  const kind = (name: string): readonly Json[] => all.filter((one) => one.kind === name);
  const pods = [...kind('Deployment'), ...kind('Job')].map((one) => ({
    name: one.metadata.name,
    labels: one.spec.template.metadata.labels,
    pod: one.spec.template.spec,
  }));

  test('each object has a kind, a name and the namespace', () => {
    for (const { apiVersion, kind: what, metadata } of all) {
      expect(apiVersion && what && metadata.name, JSON.stringify(metadata)).toBeTruthy();
      if (what !== 'Namespace') expect(metadata.namespace, metadata.name).toBe('carillon');
    }
    expect(new Set(all.map((one) => one.kind))).toEqual(
      new Set(
        'Namespace Secret ConfigMap Job Deployment PodDisruptionBudget Service HorizontalPodAutoscaler NetworkPolicy'.split(
          ' ',
        ),
      ),
    );
  });

  test('settings exist, and commands are ours', () => {
    for (const { data, stringData } of [...kind('ConfigMap'), ...kind('Secret')])
      expect(strangers(Object.keys(data ?? stringData))).toEqual([]);
    for (const { pod } of pods)
      for (const { env = [], envFrom, args } of pod.containers) {
        expect(strangers(env.map(({ name }: Json) => name))).toEqual([]);
        expect(COMMANDS).toContain(args[0]);
        for (const { configMapRef, secretRef } of envFrom)
          expect(
            [...kind('ConfigMap'), ...kind('Secret')].some(
              ({ metadata }) => metadata.name === (configMapRef ?? secretRef).name,
            ),
          ).toBe(true);
      }
  });

  test('probes ask paths that are served, on ports that are open', () => {
    for (const { metadata, spec } of kind('Deployment')) {
      const [{ ports, livenessProbe, readinessProbe, startupProbe }] = spec.template.spec.containers;
      for (const { httpGet } of [livenessProbe, readinessProbe, startupProbe]) {
        expect(PATHS, metadata.name).toContain(httpGet.path);
        expect(ports.map(({ name }: Json) => name)).toContain(httpGet.port);
      }
      expect(ports.map(({ containerPort }: Json) => containerPort)).toContain(METRICS_PORT);
      expect(readinessProbe.httpGet.path).toBe('/health/ready');
      // A store that is gone must not make it restart what works.
      expect(livenessProbe.httpGet.path).toBe('/health/live');
      // Readiness answers within five seconds even of a database that says nothing.
      expect(readinessProbe.timeoutSeconds).toBeGreaterThan(5);
    }
  });

  test('a pod is given the time that its stop takes', () => {
    const stopSeconds = Number(kind('ConfigMap')[0]?.data.STOP_SECONDS);
    for (const { spec } of kind('Deployment')) {
      const { terminationGracePeriodSeconds, containers } = spec.template.spec;
      const before = containers[0].lifecycle?.preStop.sleep.seconds ?? 0;
      expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(before + stopSeconds + 5);
    }
  });

  test('nothing runs as root, writes to its file system, or may become more than it is', () => {
    for (const { name, pod } of pods) {
      expect(pod.securityContext.runAsNonRoot, name).toBe(true);
      expect(pod.automountServiceAccountToken, name).toBe(false);
      for (const { securityContext, resources } of pod.containers) {
        expect(securityContext, name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(resources.requests && resources.limits.memory, name).toBeTruthy();
      }
    }
  });

  test('what selects pods selects some', () => {
    const selectors = [
      ...kind('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels),
      ...kind('Deployment').map(({ spec }) => spec.selector.matchLabels),
      ...kind('Service').map(({ spec }) => spec.selector),
      ...kind('NetworkPolicy').map(({ spec }) => spec.podSelector.matchLabels),
    ];
    for (const selector of selectors)
      expect(
        pods.some(({ labels }) => Object.entries(selector).every(([key, value]) => labels[key] === value)),
        JSON.stringify(selector),
      ).toBe(true);
    for (const { spec } of kind('HorizontalPodAutoscaler'))
      expect(kind('Deployment').map(({ metadata }) => metadata.name)).toContain(spec.scaleTargetRef.name);
  });

  test.runIf(has('kubeconform'))('kubeconform accepts them (skipped where it is not installed)', () => {
    execFileSync('kubeconform', ['-strict', join(projectRoot, 'deploy/kubernetes')]);
  });
});

describe('systemd', () => {
  const units = files.filter((path) => path.endsWith('.service'));
  const values = (text: string, key: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);

  test.each(units)('%s runs a command of ours, with settings that exist, and the time to stop', (path) => {
    const text = readProjectFile(path);
    const [start = ''] = values(text, 'ExecStart');
    expect(start).toMatch(/^\/usr\/bin\/node .*\/src\/launch\.js (\w+)$/);
    expect(COMMANDS).toContain(start.split(' ').at(-1));
    const settings = values(text, 'Environment').flatMap((line) =>
      line.split(' ').map((pair) => pair.split('=')[0] as string),
    );
    expect(strangers(settings)).toEqual([]);
    expect(values(text, 'ProtectSystem')).toEqual(['strict']);
    expect(values(text, 'NoNewPrivileges')).toEqual(['true']);
    expect(values(text, 'User')).toEqual(['carillon']);
    if (values(text, 'Type')[0] === 'exec')
      expect(Number(values(text, 'TimeoutStopSec')[0])).toBeGreaterThanOrEqual(30);
  });

  test.runIf(has('systemd-analyze'))('systemd-analyze accepts them (skipped where it is not installed)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'carillon-units-'));
    try {
      const paths = units.map((path) => {
        const name = (path.split('/').at(-1) as string).replace('@.', '@1.');
        // That programs and documents are in their place is for the machine to say on which they are installed.
        const text = readProjectFile(path)
          .replaceAll(/^(ExecStart=)\S+.*$/gm, '$1/bin/true')
          .replaceAll(/^Documentation=.*\n/gm, '');
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      });
      const { stderr, status } = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
      expect(stderr.split('\n').filter((line) => line.includes('carillon'))).toEqual([]);
      expect(status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('alerts', () => {
  const [{ groups }] = documents('deploy/alerts.yaml') as [Json];
  const rules: Json[] = groups.flatMap((group: Json) => group.rules);
  const served = [...readProjectFile('src/metrics.ts').matchAll(/'(carillon_\w+)'/g)].map(([, name]) => name);

  test('each looks at figures that are served, and is explained', () => {
    const operations = readProjectFile('docs/operations.md');
    for (const { alert, expr, labels, annotations } of rules) {
      const names = expr.match(/\b(carillon|nodejs|process)_\w+/g) as string[];
      for (const name of names.filter((one) => one.startsWith('carillon_'))) expect(served, alert).toContain(name);
      expect(['page', 'ticket']).toContain(labels.severity);
      expect(annotations.summary.length).toBeGreaterThan(10);
      expect(operations).toContain(alert);
    }
    expect(rules.length).toBeGreaterThan(5);
  });
});
