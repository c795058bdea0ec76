/** Templates over HTTP. */
import { Type } from '@sinclair/typebox';
import { ApiError } from '../../lib/errors.ts';
import { type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import type { Templates } from './door.ts';
import {
  previewInput,
  rolloutInput,
  rolloutView,
  slug,
  templateInput,
  templatePreview,
  templateSummary,
  templateUpdate,
  templateView,
  unsavedPreviewInput,
  versionSummary,
  versionView,
} from './schema.ts';

const BASE = '/api/v1/templates';
const ONE = `${BASE}/:template_id`;
const named = Type.Object({ template_id: slug });
const numbered = Type.Object({ template_id: slug, number: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }) });
const common = { auth: 'key', tag: 'Templates' } as const;
/** Content of many languages has many properties. */
const jsonLimits = { properties: 20_000 };
const shown = { description: 'The template', schema: templateView };

export const templateRoutes = (templates: Templates): readonly Route[] => [
  route({
    ...common,
    method: 'GET',
    path: BASE,
    scope: 'read',
    summary: 'List templates',
    description: 'Newest first, without their content.',
    query: listQuery,
    replies: { 200: { description: 'One page', schema: listOf(templateSummary) } },
    errors: [],
    handler: async ({ principal, query }) => ({ status: 200, body: await templates.list(principal, query) }),
  }),
  route({
    ...common,
    method: 'POST',
    path: BASE,
    scope: 'manage',
    summary: 'Create a template',
    description:
      'One template serves any number of channels and languages. Texts hold {{variables}}, the helpers upper, lower, trim, spell, ' +
      'default, number, currency, date, plural and eq, and the blocks if, unless, each and with.',
    audit: 'template.created',
    body: templateInput,
    jsonLimits,
    replies: { 201: shown },
    errors: ['conflict', 'template_invalid', 'template_too_expensive'],
    handler: async ({ principal, body }) => ({ status: 201, body: await templates.create(principal, body) }),
  }),
  route({
    ...common,
    method: 'POST',
    path: `${BASE}/preview`,
    scope: 'read',
    summary: 'Preview a template that is not saved',
    description: 'Renders every channel and says what each would refuse. Nothing is kept.',
    body: unsavedPreviewInput,
    jsonLimits,
    replies: { 200: { description: 'What it looks like', schema: templatePreview } },
    errors: ['template_invalid', 'template_too_expensive', 'template_channel_missing', 'template_language_missing'],
    handler: async ({ body }) => ({ status: 200, body: templates.previewUnsaved(body) }),
  }),
  route({
    ...common,
    method: 'GET',
    path: ONE,
    scope: 'read',
    summary: 'Get a template',
    description: 'With the content of its active version, or of the newest while none is active.',
    params: named,
    replies: { 200: shown },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await templates.get(principal, params.template_id),
    }),
  }),
  route({
    ...common,
    method: 'PUT',
    path: ONE,
    scope: 'manage',
    summary: 'Change a template',
    description:
      'Makes a new version, used from now on unless `draft` is true; messages already accepted keep theirs. A version that is ' +
      'used from now on ends a rollout; save a draft to roll it out instead. Content and ' +
      'variables are replaced as a whole; when they are as before, there is no new version. name and category, when left ' +
      'out, stay.',
    audit: 'template.updated',
    params: named,
    body: templateUpdate,
    jsonLimits,
    replies: { 200: shown },
    errors: ['not_found', 'template_invalid', 'template_too_expensive'],
    handler: async ({ principal, params, body }) => ({
      status: 200,
      body: await templates.update(principal, params.template_id, body),
    }),
  }),
  route({
    ...common,
    method: 'DELETE',
    path: ONE,
    scope: 'manage',
    summary: 'Archive a template',
    description: 'It can no longer be sent. Messages already accepted are still rendered, and the name is free again.',
    audit: 'template.archived',
    params: named,
    replies: { 204: { description: 'Archived' } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      await templates.archive(principal, params.template_id);
      return { status: 204 };
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: `${ONE}/versions`,
    scope: 'read',
    summary: 'List the versions of a template',
    params: named,
    query: listQuery,
    replies: { 200: { description: 'One page, newest first', schema: listOf(versionSummary) } },
    errors: ['not_found'],
    handler: async ({ principal, params, query }) => ({
      status: 200,
      body: await templates.listVersions(principal, params.template_id, query),
    }),
  }),
  route({
    ...common,
    method: 'GET',
    path: `${ONE}/versions/:number`,
    scope: 'read',
    summary: 'Get a version of a template',
    params: numbered,
    replies: { 200: { description: 'The version', schema: versionView } },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await templates.getVersion(principal, params.template_id, params.number),
    }),
  }),
  route({
    ...common,
    method: 'POST',
    path: `${ONE}/versions/:number/activate`,
    scope: 'manage',
    summary: 'Publish a version, or roll back to it',
    description: 'From now on everybody gets it, so a rollout ends.',
    audit: 'template.activated',
    params: numbered,
    replies: { 200: shown },
    errors: ['not_found'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await templates.activate(principal, params.template_id, params.number),
    }),
  }),
  route({
    ...common,
    method: 'POST',
    path: `${ONE}/rollout`,
    scope: 'manage',
    summary: 'Roll a version out by percentage',
    description:
      'Starts the rollout of a draft or of an earlier version, or changes the share of the one that runs. Who gets the new ' +
      'version is decided by the address of the first channel: the same person always gets the same one, and raising the ' +
      'share never takes it away from anybody. When too many of its messages fail it is rolled back by itself. ' +
      'Messages keep the version they were accepted with.',
    audit: 'template.rolled_out',
    params: named,
    body: rolloutInput,
    replies: { 200: { description: 'The rollout', schema: rolloutView } },
    errors: ['not_found', 'conflict'],
    handler: async ({ principal, params, body }) => ({
      status: 200,
      body: await templates.rollOut(principal, params.template_id, body),
    }),
  }),
  route({
    ...common,
    method: 'GET',
    path: `${ONE}/rollout`,
    scope: 'read',
    summary: 'See how a rollout goes',
    description: 'The rollout that runs, or the last one, with what became of the messages of both versions.',
    params: named,
    replies: { 200: { description: 'The rollout', schema: rolloutView } },
    errors: ['not_found'],
    async handler({ principal, params }) {
      const body = await templates.rollout(principal, params.template_id);
      if (!body) throw new ApiError('not_found', `No version of ${params.template_id} was ever rolled out.`);
      return { status: 200, body };
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: `${ONE}/rollback`,
    scope: 'manage',
    summary: 'Roll back to the version before',
    description: 'Ends the rollout that runs; without one, activates the version that was active before this one.',
    audit: 'template.rolled_back',
    params: named,
    replies: { 200: shown },
    errors: ['not_found', 'conflict'],
    handler: async ({ principal, params }) => ({
      status: 200,
      body: await templates.rollBack(principal, params.template_id),
    }),
  }),
  route({
    ...common,
    method: 'POST',
    path: `${ONE}/preview`,
    scope: 'read',
    summary: 'Preview a template',
    description:
      'Renders it with your data, or with samples, and says what is missing and what a channel would refuse.',
    params: named,
    body: previewInput,
    replies: { 200: { description: 'What it looks like', schema: templatePreview } },
    errors: ['not_found', 'template_channel_missing', 'template_language_missing'],
    handler: async ({ principal, params, body }) => ({
      status: 200,
      body: await templates.preview(principal, params.template_id, body),
    }),
  }),
];
