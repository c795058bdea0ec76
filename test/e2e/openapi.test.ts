/** The OpenAPI document is the product's word: complete, valid, and what every other end-to-end suite holds each answer to. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serve } from '../../src/app.ts';
import { ERRORS } from '../../src/lib/errors.ts';
import { createContract } from '../support/contract.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
let document: Json;
beforeAll(async () => {
  scene = await startScene();
  document = scene.contract.document;
});
afterAll(() => scene.close());

const operations = (): [string, Json][] =>
  Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]): [string, Json] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

it('describes every route that is not a page, and nothing else', () => {
  const served = serve(scene.product.deps)
    .routes.filter(({ hidden }) => !hidden)
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  expect(
    operations()
      .map(([name]) => name)
      .sort(),
  ).toEqual([...served].sort());
  expect(document.openapi).toMatch(/^3\.1\./);
});

it('names each operation once, and each of its parameters', () => {
  const ids = operations().map(([, { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [name, { parameters = [] }] of operations()) {
    const named = parameters.filter((one: Json) => one.in === 'path').map((one: Json) => one.name);
    expect([name, Array.from(name.matchAll(/\{(\w+)\}/g), ([, found]) => found).sort()]).toEqual([
      name,
      [...named].sort(),
    ]);
  }
});

it('holds schemas that a strict reader of JSON Schema takes', () => {
  const ajv = new Ajv2020({ strict: false });
  const check = (schema: object) => expect(ajv.validateSchema(schema), JSON.stringify(ajv.errors)).toBe(true);
  for (const [, { requestBody, responses, parameters = [] }] of operations()) {
    if (requestBody) check(requestBody.content['application/json'].schema);
    for (const { schema } of parameters) check(schema);
    for (const response of Object.values<Json>(responses))
      for (const { schema } of Object.values<Json>(response.content ?? {})) if (schema) check(schema);
  }
});

it('says of every refusal of the catalogue which status it has', () => {
  const { code, type } = document.components.schemas.Error.properties.error.properties;
  expect([...code.enum].sort()).toEqual(Object.keys(ERRORS).sort());
  expect(new Set(type.enum)).toEqual(new Set(Object.values(ERRORS).map((entry) => entry.type)));
});

it('takes the very requests of the guide', () => {
  const { schema } = document.paths['/api/v1/notifications/send'].post.requestBody.content['application/json'];
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const valid = ajv.compile(schema);
  const request = { recipient: { phone: '+14155550123' }, notification: { channels: ['sms'], body: 'Hi' } };
  expect(valid(request)).toBe(true);
  expect(valid({ ...request, extra: 1 })).toBe(false);
});

it('finds an answer that it does not describe', async () => {
  const contract = createContract(document);
  const answer = {
    method: 'GET',
    target: '/api/v1/notifications/ntf_00000000000000000000000000',
    contentType: 'application/json',
  };
  const real = await scene.send(
    { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'x' } },
    scene.testKey,
  );
  const body = await scene.get(real.notification_id, scene.testKey);
  contract.judge({ ...answer, status: 200, body });
  expect(contract.violations).toEqual([]);
  contract.judge({ ...answer, status: 200, body: { ...body, surprise: 1 } });
  contract.judge({ ...answer, status: 418, body });
  contract.judge({ ...answer, status: 404, body: { message: 'gone' } });
  expect(contract.violations).toHaveLength(3);
});
