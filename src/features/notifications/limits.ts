/** How much a bulk may be. The very numbers that capabilities state and that bulks are judged by. */
export const BULK_LIMITS = {
  json: { rows: 10_000, bytes: 16 * 1_048_576 },
  stream: { rows: 1_000_000, bytes: 512 * 1_048_576, row_bytes: 256 * 1_024, columns: 200 },
} as const;
