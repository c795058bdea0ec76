/**
 * Holds every answer to the OpenAPI document that the product itself serves: the status must be described for that route,
 * and the body must be what the description says. What differs is collected, and the scene fails with all of it at its end.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import type { Json } from './providers/fake.ts';

const addFormats = addFormatsModule as unknown as (ajv: Ajv2020) => void;

export interface Answered {
  readonly method: string;
  /** Path, with or without a query. */
  readonly target: string;
  readonly status: number;
  readonly contentType: string | null;
  /** Parsed, when it was JSON. */
  readonly body: unknown;
}

export interface Contract {
  readonly document: Json;
  /** Routes that have answered at least once, as `METHOD /path/{param}`. */
  readonly seen: ReadonlySet<string>;
  readonly violations: readonly string[];
  judge(answer: Answered): void;
}

const pointer = (...parts: readonly string[]): string =>
  parts.map((part) => `/${encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

export function createContract(document: Json): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(document, 'api');
  const validators = new Map<string, ValidateFunction>();
  const violations: string[] = [];
  const seen = new Set<string>();
  const routes = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '[^/]+')}$`),
  }));
  // A literal path wins over one with parameters, as in the router.
  routes.sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')));

  const faultsOf = (at: string, body: unknown): string => {
    const validate = validators.get(at) ?? ajv.compile({ $ref: `api#${at}` });
    validators.set(at, validate);
    return validate(body)
      ? ''
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`).join('; ');
  };

  return {
    document,
    seen,
    violations,
    judge({ method, target, status, contentType, body }) {
      const name = `${method} ${target.slice(0, 120)} → ${status}`;
      const note = (what: string) => violations.push(`${name}: ${what}`);
      const path = target.split('?')[0] ?? '';
      const route = routes.find(({ pattern }) => pattern.test(path));
      const operation = route && document.paths[route.path][method.toLowerCase()];
      if (!route || !operation) {
        // Not a described route: what the API says about it must still be the one error form.
        if (!path.startsWith('/api/v1/') || status < 400) return;
        const faults = faultsOf(pointer('components', 'schemas', 'Error'), body);
        if (faults) note(`not the error form: ${faults}`);
        return;
      }
      seen.add(`${method} ${route.path}`);
      const described = operation.responses[String(status)];
      if (!described) return void note('this status is not described');
      const media = described.content?.['application/json'];
      if (!media) {
        if (body !== undefined) note('a body where none is described');
        return;
      }
      if (!contentType?.startsWith('application/json')) note(`content type ${contentType}`);
      const at = pointer('paths', route.path, method.toLowerCase(), 'responses', String(status), 'content');
      const faults = faultsOf(`${at}/application~1json/schema`, body);
      if (faults) note(faults);
    },
  };
}
