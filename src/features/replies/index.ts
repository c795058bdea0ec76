/** The door of auto-replies: what is answered without anybody writing it. */
export { autoReplyRoutes } from './routes.ts';
export type { AutoReplyItem, CreateAutoReply, PatchAutoReply } from './schema.ts';
export { createReplies, type Replies, type RepliesDeps } from './service.ts';
