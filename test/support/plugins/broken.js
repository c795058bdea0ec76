/** A plugin that does not keep the contract: no pace, an address that throws for its own sandbox, receipts it never named. */
import { channel } from './pager.js';

export default {
  ...channel,
  id: 'broken',
  address: () => {
    throw new Error('no such thing');
  },
  adapters: [{ ...channel.adapters[0], id: 'broken_tower', perSecond: 0, receipts: ['read'] }],
};
