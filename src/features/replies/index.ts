/** The door of auto-replies: what is answered without anybody writing it. */
export { autoReplyRoutes } from './routes.ts';
export { type AutoReplyItem, type CreateAutoReply, createAutoReply, type PatchAutoReply, TRIGGERS } from './schema.ts';
export { createReplies, type Replies, type RepliesDeps } from './service.ts';
