/** The door of conversations: what people write to us, kept in order, and answered. */
export { erasePeople } from './erase.ts';
export { createMedia, type Media } from './media.ts';
export { createNotices, type Notices } from './notices.ts';
export { conversationRoutes } from './routes.ts';
export {
  CONVERSATION_STATUSES,
  type ConversationItem,
  type InboundItem,
  type OutboundItem,
  patchConversation,
  type ReplyBody,
  type ThreadItem,
} from './schema.ts';
export { type Conversations, createConversations } from './service.ts';
export { createTake, type Heard, MEDIA_MAX, type Take, type Taken } from './take.ts';
