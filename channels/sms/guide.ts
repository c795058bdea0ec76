/** How a person gets the credentials of an SMS sender. */
export const guide = `
1. Sign in at console.twilio.com. On the first page copy the **Account SID** (it begins with AC) and the **Auth token**.
2. Choose a **sender**: a number you bought there (*Phone Numbers → Buy*, with the capability SMS), a **messaging
   service** (*Messaging → Services*, its SID begins with MG; best when you have several numbers), a short code, or, where
   the country allows it, a name of up to 11 letters.
3. *Messaging → Settings → Geo permissions*: switch on the countries you write to. Others are refused.
4. In the United States register the sender (A2P 10DLC, or verify a toll-free number), or carriers will block it.
5. Save the connection and press **Test**. You should see the account's name and *active*.

Nothing has to be set up for receipts: every message names the address its receipts go to. That address must be
reachable from outside; if it is not, messages stay *sent*.

**What people write.** At your number (*Phone Numbers → Manage → Active numbers*), or at the messaging service under
*Integration*, set *A message comes in* to the callback address shown on this connection, as HTTP POST. Pictures come along.

**A trial account** writes only to numbers you verified there, and puts a sentence of its own before each text.

**STOP.** Twilio answers STOP by itself and refuses later messages to that person; here they end as *opted out*. With
*advanced opt-out* it also tells us which word it acted on.
`.trim();
