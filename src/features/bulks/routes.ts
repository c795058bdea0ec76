/** The HTTP of bulks. */
import { Type } from '@sinclair/typebox';
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Principal, type Route, route } from '../../lib/http.ts';
import { listOf, listQuery } from '../../lib/list.ts';
import { BULK_LIMITS } from '../notifications/index.ts';
import { Bulk, BulkAccepted, ResultsQuery, shapes, UploadQuery } from './schema.ts';
import type { Bulks } from './service.ts';
import type { BulkView } from './view.ts';

const { json, stream } = BULK_LIMITS;
const tag = 'Bulk';
const Id = Type.Object({ bulk_id: Type.String({ maxLength: 64 }) });
const count = (value: number): string => value.toLocaleString('en');

const DESCRIPTION = `One request for many people. As \`application/json\` (at most ${count(json.rows)} rows, ${json.bytes / 1_048_576} MB) the answer tells of every row. As \`application/x-ndjson\` the first line is the same object without \`recipients\`, and each further line is one recipient. As \`text/csv\` the first line names the columns (recipient fields, \`language\`, \`time_zone\`; every other column is a variable, with or without \`data.\` before its name) and the query holds what all rows share. Streams take ${count(stream.rows)} rows and ${stream.bytes / 1_048_576} MB; their results are at \`results_url\`. A bad row keeps no other back. Nothing is sent before the last row is stored; an upload that broke off goes on when it is repeated whole under the same idempotency key.`;

export function bulkRoutes({
  registry,
  bulks,
}: {
  readonly registry: Registry;
  readonly bulks: Bulks;
}): readonly Route[] {
  const { body } = shapes(registry);
  const lines = Type.String({ description: 'The shared part as one line, then one line for each recipient.' });
  const table = Type.String({ description: 'A header, then one line for each recipient.' });

  const verb = (
    name: 'pause' | 'resume' | 'cancel',
    summary: string,
    description: string,
    work: (principal: Principal, bulkId: string) => Promise<BulkView>,
  ): Route =>
    route({
      method: 'POST',
      path: `/api/v1/notifications/bulk/:bulk_id/${name}`,
      auth: 'key',
      scope: 'send',
      tag,
      summary,
      description,
      audit: `bulk.${name}`,
      params: Id,
      replies: { 200: { description: 'The bulk as it is now.', schema: Bulk } },
      errors: ['not_found', 'bulk_state'],
      handler: async ({ principal, params }) => ({ status: 200, body: await work(principal, params.bulk_id) }),
    });

  return [
    route({
      method: 'POST',
      path: '/api/v1/notifications/bulk',
      auth: 'key',
      scope: 'send',
      tag,
      summary: 'Send to many',
      description: DESCRIPTION,
      consumes: 'stream',
      accepts: { 'application/json': body, 'application/x-ndjson': lines, 'text/csv': table },
      query: UploadQuery,
      body,
      replies: { 202: { description: 'Accepted; the rows that were not are told.', schema: BulkAccepted } },
      errors: [
        'channel_unknown',
        'template_required',
        'raw_not_allowed',
        'recipient_field_missing',
        'template_not_found',
        'template_channel_missing',
        'template_language_missing',
        'template_variable_mismatch',
        'content_required',
        'content_unused',
        'channel_not_connected',
        'recipient_rate_limited',
        'csv_header_invalid',
        'too_many_rows',
        'upload_interrupted',
        'idempotency_key_invalid',
        'idempotency_key_conflict',
        'idempotency_key_reused',
        'idempotency_in_progress',
      ],
      handler({ principal, ip, requestId, at, headers, query, stream: body }) {
        if (!body) throw new ApiError('internal_error');
        return bulks.send({ origin: { principal, ip, requestId, at }, headers, query }, body);
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/notifications/bulk',
      auth: 'key',
      scope: 'read',
      tag,
      summary: 'List bulks',
      description: 'Newest first.',
      query: listQuery,
      replies: { 200: { description: 'A page.', schema: listOf(Bulk) } },
      errors: [],
      handler: async ({ principal, query }) => ({ status: 200, body: await bulks.list(principal, query) }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/notifications/bulk/:bulk_id',
      auth: 'key',
      scope: 'read',
      tag,
      summary: 'Get a bulk',
      description: 'How far it is: messages by status, how fast it goes, and when it will be done at that pace.',
      params: Id,
      replies: { 200: { description: 'The bulk.', schema: Bulk } },
      errors: ['not_found'],
      handler: async ({ principal, params }) => ({ status: 200, body: await bulks.get(principal, params.bulk_id) }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/notifications/bulk/:bulk_id/results',
      auth: 'key',
      scope: 'read',
      tag,
      summary: 'What became of each row',
      description:
        'In the order of the rows, as NDJSON (one row a line) or as CSV (one message a line), whichever Accept or format asks for.',
      params: Id,
      query: ResultsQuery,
      replies: { 200: { description: 'The rows.', type: 'application/x-ndjson' } },
      errors: ['not_found'],
      async handler({ principal, params, query, headers }) {
        const csv = query.format ? query.format === 'csv' : /\btext\/csv\b/.test(headers.accept ?? '');
        return {
          status: 200,
          pieces: await bulks.results(principal, params.bulk_id, csv ? 'csv' : 'ndjson'),
          type: csv ? 'text/csv; charset=utf-8' : 'application/x-ndjson',
        };
      },
    }),
    verb('pause', 'Pause a bulk', 'Nothing more of it begins; what is under way finishes.', (...asked) =>
      bulks.pause(...asked),
    ),
    verb('resume', 'Resume a bulk', 'Goes on with what is left.', (...asked) => bulks.resume(...asked)),
    verb(
      'cancel',
      'Cancel a bulk',
      'What has not begun is never sent and becomes failed with the code cancelled, little by little.',
      (...asked) => bulks.cancel(...asked),
    ),
  ];
}
